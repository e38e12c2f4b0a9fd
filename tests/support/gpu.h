// A GPU for tests: the emulated one, or the machine's, whichever runtime is linked.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/gpu.h"
#include "cuda/stream.h"

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

inline std::string precision_name(Precision precision) {
  return precision == Precision::kFp32   ? "fp32"
         : precision == Precision::kTf32 ? "tf32"
         : precision == Precision::kFp16 ? "fp16"
                                         : "bf16";
}

constexpr Precision kAllPrecisions[] = {Precision::kFp32, Precision::kTf32, Precision::kFp16,
                                        Precision::kBf16};

}  // namespace mbrl
