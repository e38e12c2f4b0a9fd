// A GPU for tests: the emulated one, or the machine's, whichever runtime is linked.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "cuda/buffer.h"
#include "cuda/device.h"
#include "cuda/gpu.h"
#include "cuda/stream.h"
#include "kernels/gpu/libraries/library.h"
#include "kernels/gpu/product.h"

namespace mbrl {

/// Base of tests that need a GPU: skips aloud where there is none.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (gpu::device_count(why) == 0) GTEST_SKIP() << "no GPU: " << why;
    gpu::use_device(0);
  }
};

/// A stream on the GPU and one on the CPU, over the same host threads.
struct TwinStreams {
  TwinStreams() : cpu(pool), gpu(pool, Stream::Kind::kGpu) {}
  ThreadPool pool{1};
  Stream cpu, gpu;
};

inline Buffer<float> on_device(const Buffer<float>& host) {
  Buffer<float> device(host.size(), Memory::kDevice);
  from_host(device, to_host(host));
  return device;
}

/// Why the GPU cannot compute in this format; "" if it can.
inline std::string format_missing(Precision precision) {
  try {
    select_precision(precision_name(precision), {Device::Kind::kCuda, 0});
    return "";
  } catch (const DeviceError& error) {
    return error.what();
  }
}

/// Base of tests in one operand format: skips where the GPU lacks it.
class FormatGpuTest : public GpuTest, public testing::WithParamInterface<Precision> {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (const std::string why = format_missing(GetParam()); !why.empty()) GTEST_SKIP() << why;
  }
};

/// Calls until a recording repeats, at first and after each array has moved to another place: a
/// recording that still reads the old one ends the emulated program.
template <typename Call>
void move_each(const std::vector<Buffer<float>*>& arrays, Call&& call) {
  const auto record_and_repeat = [&] {
    for (int i = 0; i < 3; ++i) call();  // issued, recorded, repeated
  };
  record_and_repeat();
  for (Buffer<float>* moved : arrays) {
    *moved = on_device(*moved);
    record_and_repeat();
  }
}

/// ||got - wanted|| / ||wanted||; NaN if any element is.
inline double relative_error(const std::vector<float>& got, const std::vector<float>& wanted) {
  double difference = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    difference += std::pow(static_cast<double>(got[i]) - wanted[i], 2);
    norm += std::pow(static_cast<double>(wanted[i]), 2);
  }
  return std::sqrt(difference / (norm > 0.0 ? norm : 1.0));
}
inline double relative_error(const Buffer<float>& got, const Buffer<float>& wanted) {
  return relative_error(to_host(got), to_host(wanted));
}

/// Allowed relative error in norm of a gradient step's results, by the operands' format.
inline double step_tolerance(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return 2e-5;
    case Precision::kTf32:
    case Precision::kFp16:
      return 1e-2;
    case Precision::kBf16:
      return 6e-2;
  }
  return 0.0;
}

/// A way of multiplying, with a name for tests.
struct Products {
  Precision precision;
  GemmProvider provider;

  /// Why they cannot be had here; "" if they can.
  std::string missing() const {
    const std::string why = gpu::provider_missing(provider);
    return why.empty() ? format_missing(precision) : why;
  }
  std::string name() const {
    return std::string(precision_name(precision)) + "_" + gpu::provider_name(provider);
  }
};
inline void PrintTo(const Products& p, std::ostream* out) { *out << p.name(); }

/// Runs the body of a test. It is skipped aloud if a library refuses one of its products: which shapes
/// a library has algorithms for is the library's affair, and the program then says so and goes on
/// (device.gemm). The fakes refuse what the documentation forbids, which is a fault of ours.
template <typename Body>
void unless_refused(Body&& body) {
  try {
    body();
  } catch (const gpu::ProductRefused& refused) {
    if (gpu::info(0).name == "emulated GPU") throw;
    GTEST_SKIP() << refused.what();
  }
}

/// All there are: plain is fp32 alone, and which engines cuDNN has for exact fp32 depends on the
/// GPU.
constexpr Products kAllProducts[] = {
    {Precision::kFp32, GemmProvider::kFused},    {Precision::kTf32, GemmProvider::kFused},
    {Precision::kFp16, GemmProvider::kFused},    {Precision::kBf16, GemmProvider::kFused},
    {Precision::kFp32, GemmProvider::kPlain},    {Precision::kFp32, GemmProvider::kCublasLt},
    {Precision::kTf32, GemmProvider::kCublasLt}, {Precision::kFp16, GemmProvider::kCublasLt},
    {Precision::kBf16, GemmProvider::kCublasLt}, {Precision::kTf32, GemmProvider::kCudnn},
    {Precision::kFp16, GemmProvider::kCudnn},    {Precision::kBf16, GemmProvider::kCudnn}};

/// Our own kernels.
constexpr Products kFusedInEachFormat[] = {{Precision::kFp32, GemmProvider::kFused},
                                           {Precision::kTf32, GemmProvider::kFused},
                                           {Precision::kFp16, GemmProvider::kFused},
                                           {Precision::kBf16, GemmProvider::kFused}};

/// One of each provider.
constexpr Products kOneOfEachProvider[] = {{Precision::kFp32, GemmProvider::kFused},
                                           {Precision::kFp32, GemmProvider::kPlain},
                                           {Precision::kFp32, GemmProvider::kCublasLt},
                                           {Precision::kTf32, GemmProvider::kCudnn}};

constexpr Precision kAllPrecisions[] = {Precision::kFp32, Precision::kTf32, Precision::kFp16,
                                        Precision::kBf16};

}  // namespace mbrl
