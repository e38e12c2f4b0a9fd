// Tests for cuda/gpu_errors.{h,cpp}: texts of what only a GPU can provoke.
#include "cuda/gpu_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mbrl {
namespace {

using testing::HasSubstr;

TEST(GpuErrorsTest, AnUnsupportedArchitectureNamesTheGpuAndTheBuild) {
  const DeviceError error = gpu::unsupported_architecture("Tesla V100", 70, "75 80 90");
  EXPECT_EQ(error.code(), ExitCode::kDevice);
  EXPECT_THAT(error.what(), HasSubstr("Tesla V100 has compute capability 7.0"));
  EXPECT_THAT(error.what(), HasSubstr("built for 75 80 90"));
  EXPECT_THAT(error.what(), HasSubstr("-DCMAKE_CUDA_ARCHITECTURES=70"));
}

TEST(GpuErrorsTest, AnOldDriverNamesBothVersions) {
  EXPECT_EQ(
      gpu::driver_too_old(12040, 13000),
      "the NVIDIA driver supports CUDA 12.4, this program was built with CUDA 13.0: update the "
      "driver, or build with an older toolkit");
}

TEST(GpuErrorsTest, SizesAreReadable) {
  EXPECT_EQ(gpu::byte_text(12), "12 B");
  EXPECT_EQ(gpu::byte_text(1536), "1.5 KiB");
  EXPECT_EQ(gpu::byte_text(std::size_t{3} << 30), "3.0 GiB");
}

}  // namespace
}  // namespace mbrl
