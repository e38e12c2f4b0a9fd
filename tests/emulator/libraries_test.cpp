// Tests for kernels/libraries over the fakes: what a machine with the libraries could not provoke.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "cuda/emulator/runtime.h"
#include "cuda/graph.h"
#include "kernels/gpu/libraries/library.h"
#include "tests/emulator/libraries/fakes.h"
#include "tests/support/gpu.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

class LibrariesTest : public GpuTest, public testing::WithParamInterface<GemmProvider> {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    const bool linked = GetParam() == GemmProvider::kCublasLt ? gpu::cublaslt::missing != nullptr
                                                              : gpu::cudnn::missing != nullptr;
    if (!linked) GTEST_SKIP() << "built without the library's headers";
    a_ = Buffer<float>(128, 1.0f, Memory::kDevice);
    b_ = Buffer<float>(64, 0.5f, Memory::kDevice);
    c_ = Buffer<float>(32, 0.0f, Memory::kDevice);
  }
  void TearDown() override { emulator::hide_libraries(false); }

  std::string missing() const {
    return GetParam() == GemmProvider::kCublasLt ? gpu::cublaslt::missing() : gpu::cudnn::missing();
  }
  std::string version() const {
    return GetParam() == GemmProvider::kCublasLt ? gpu::cublaslt::version() : gpu::cudnn::version();
  }
  const char* name() const { return GetParam() == GemmProvider::kCublasLt ? "cuBLASLt" : "cuDNN"; }

  gpu::Product product() {
    return {.rows = 8,
            .columns = 4,
            .depth = 16,
            .a = {a_.data(), 16},
            .b = {b_.data(), 4},
            .c = c_.data(),
            .c_pitch = 4};
  }
  void multiply(Stream& stream, const Gemm& gemm, const gpu::Product& p) {
    stream.set_precision(Precision::kTf32);
    gpu::multiply(stream, gemm, p);
  }

  Buffer<float> a_, b_, c_;
};

TEST_P(LibrariesTest, AreFoundInTheProgram) {
  EXPECT_EQ(missing(), "");
  EXPECT_THAT(version(), testing::MatchesRegex(std::string(name()) + " [0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST_P(LibrariesTest, WhatIsMissingIsNamedWithTheWayOut) {
  // a library is looked for once in a program's life, so this is another program's
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        emulator::hide_libraries(true);
        TwinStreams streams;
        const Gemm gemm(GetParam());
        std::cerr << version() << ": "
                  << error_text<DeviceError>([&] { multiply(streams.gpu, gemm, product()); });
        std::exit(missing().empty() ? 1 : 0);
      },
      testing::ExitedWithCode(0),
      std::string("no ") + name() + ": " + name() +
          " could not be loaded: lib.*.so.*: cannot open "
          "shared object file: No such file or directory. Install it, or add its folder to "
          "LD_LIBRARY_PATH, or use device.gemm=hand.");
}

TEST_P(LibrariesTest, APlanIsMadeOncePerShapeAndPrecision) {
  TwinStreams streams;
  const Gemm gemm(GetParam());
  multiply(streams.gpu, gemm, product());
  EXPECT_EQ(to_host(c_), std::vector<float>(32, 8.0f));
  const long searches = emulator::library_searches, products = emulator::library_products;
  for (int i = 0; i < 3; ++i) multiply(streams.gpu, gemm, product());
  EXPECT_EQ(emulator::library_searches, searches);
  EXPECT_EQ(emulator::library_products, products + 3);

  gpu::Product other = product();
  other.rows = 7;
  multiply(streams.gpu, gemm, other);
  EXPECT_EQ(emulator::library_searches, searches + 1);
  streams.gpu.set_precision(Precision::kBf16);
  gpu::multiply(streams.gpu, gemm, other);
  EXPECT_EQ(emulator::library_searches, searches + 2);
}

TEST_P(LibrariesTest, EveryStreamHasItsOwnAndGivesItBack) {
  const long before = emulator::library_objects;
  {
    TwinStreams one, two;
    const Gemm of_one_stream(GetParam()), shared(of_one_stream), of_two(GetParam());
    multiply(one.gpu, of_one_stream, product());
    const long of_one = emulator::library_objects - before;
    EXPECT_GT(of_one, 0);
    multiply(one.gpu, shared, product());
    EXPECT_EQ(emulator::library_objects - before, of_one);
    multiply(two.gpu, of_two, product());
    EXPECT_EQ(emulator::library_objects - before, 2 * of_one);
  }
  EXPECT_EQ(emulator::library_objects, before);
}

TEST_P(LibrariesTest, ARefusalLeavesNothingBehind) {
  TwinStreams streams;
  const Gemm gemm(GetParam());
  multiply(streams.gpu, gemm, product());
  const long before = emulator::library_objects;
  gpu::Product impossible = product();
  impossible.c_pitch = 0;
  const std::string text =
      error_text<DeviceError>([&] { multiply(streams.gpu, gemm, impossible); });
  EXPECT_THAT(text, testing::StartsWith(std::string(name()) +
                                        " cannot compute the product [8, 16] [16, 4], in tf32: "));
  EXPECT_THAT(text, testing::HasSubstr("device.gemm=hand."));
  EXPECT_EQ(emulator::library_objects, before);
}

TEST_P(LibrariesTest, ARecordedProductIsOneNodeThatKeepsItsArguments) {
  TwinStreams streams;
  const Gemm gemm(GetParam());
  Graph graph;
  for (int i = 0; i < 2; ++i)
    graph.run(streams.gpu, [&] { multiply(streams.gpu, gemm, product()); });
  EXPECT_EQ(graph.num_nodes(), 1u);
  a_.fill(2.0f);
  graph.run(streams.gpu, [] {});
  streams.gpu.synchronize();
  EXPECT_EQ(to_host(c_), std::vector<float>(32, 16.0f));
}

TEST_P(LibrariesTest, TheWorkspaceIsNamedWhenItDoesNotFit) {
  emulator::set_device_memory(std::size_t{16} << 20);
  TwinStreams streams;
  const Gemm gemm(GetParam());
  const std::string text = error_text<DeviceError>([&] { multiply(streams.gpu, gemm, product()); });
  emulator::set_device_memory(std::size_t{4} << 30);
  EXPECT_THAT(text, testing::MatchesRegex(
                        "32.0 MiB of device memory for (cublaslt|cudnn).workspace could .*"));
  multiply(streams.gpu, gemm, product());
}

INSTANTIATE_TEST_SUITE_P(Providers, LibrariesTest,
                         testing::Values(GemmProvider::kCublasLt, GemmProvider::kCudnn),
                         [](const auto& provider) { return gpu::provider_name(provider.param); });

TEST(LibraryTest, OneWithoutAFunctionIsMissing) {
  gpu::Library library("cuFake", "libcublasLt.so.13");
  if (!library.missing().empty()) GTEST_SKIP() << library.missing();
  void (*function)() = nullptr;
  library.find(function, "cublasLtNoSuchFunction");
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(library.missing(),
            "cuFake cannot be used: libcublasLt.so.13 has no cublasLtNoSuchFunction");
}

TEST(LibraryTest, TheFirstFileIsTheOneThatIsMissed) {
  EXPECT_EQ(gpu::Library("cuFake", "libfake.so.1").missing(),
            "cuFake could not be loaded: libfake.so.1: cannot open shared object file: No such "
            "file or directory");
}

TEST(LibraryTest, FakesRoundAsTensorCoresDo) {
  using emulator::Rounding;
  const float x = 1.0f + 0x1p-9f + 0x1p-11f;
  EXPECT_EQ(emulator::rounded(x, Rounding::kNone), x);
  EXPECT_EQ(emulator::rounded(x, Rounding::kTf32), 1.0f + 0x1p-9f + 0x1p-10f);  // tie: away
  EXPECT_EQ(emulator::rounded(x, Rounding::kF16), 1.0f + 0x1p-9f);              // tie: to even
  EXPECT_EQ(emulator::rounded(x, Rounding::kBf16), 1.0f);
}

}  // namespace
}  // namespace mbrl
