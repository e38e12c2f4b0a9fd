// Tests for cuda/device.{h,cpp}.
#include "cuda/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "cuda/cpu_isa.h"

namespace mbrl {
namespace {

std::string error_of(const std::string& text) {
  try {
    select_device(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(DeviceTest, AutoAndCpuAreTheCpuInABuildWithoutCuda) {
  EXPECT_EQ(device_name(select_device("auto")), "cpu");
  EXPECT_EQ(device_name(select_device("cpu")), "cpu");
}

TEST(DeviceTest, AGpuThatCannotBeUsedIsADeviceError) {
  EXPECT_THROW(select_device("cuda"), DeviceError);
  EXPECT_THROW(select_device("cuda:1"), DeviceError);
  if (!nvidia_gpus().empty()) GTEST_SKIP() << "this machine has a GPU, the text names it";
  EXPECT_EQ(
      error_of("cuda:1"),
      "--device cuda:1 was asked for, but this program was built without CUDA and finds no GPU on "
      "this machine. Use --device cpu, or --device auto to take what there is.");
}

TEST(DeviceTest, ACpuHasFp32AndBf16WhereItHasInstructionsForIt) {
  const auto error = [](const char* name) -> std::string {
    try {
      select_precision(name, {});
    } catch (const DeviceError& e) {
      EXPECT_EQ(e.code(), ExitCode::kDevice);
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(select_precision("fp32", {}), Precision::kFp32);
  for (const std::string name : {"tf32", "fp16"})
    EXPECT_EQ(error(name.c_str()),
              "device.precision is " + name +
                  ", but this run is on the CPU, which computes in fp32 and bf16 only. Set "
                  "device.precision=fp32, or use --device cuda:0 on a machine with a GPU.");
  if (std::getenv("MBRL_ISA") != nullptr) GTEST_SKIP() << "MBRL_ISA asks for one";
  if (cpu_has_avx512_bf16()) {
    EXPECT_EQ(select_precision("bf16", {}), Precision::kBf16);
  } else {
    EXPECT_EQ(
        error("bf16"),
        "device.precision is bf16, but this run is on the CPU, which has no AVX512-BF16; "
        "without, bf16 would be slower than fp32 (MBRL_ISA=bf16_portable computes in it all "
        "the same, to compare). Set device.precision=fp32, or use --device cuda:0 on a machine "
        "with a GPU.");
  }
}

TEST(DeviceTest, OtherTextsAreUsageErrors) {
  EXPECT_EQ(error_of("gpu"),
            "--device gpu is unknown; expected auto, cpu, cuda or cuda:N such as cuda:0.");
  for (const char* text : {"", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "CPU"}) {
    EXPECT_THROW(select_device(text), ConfigError) << text;
  }
}

TEST(DeviceTest, TheCpuIsDescribedOnOneLine) {
  const CpuInfo info = cpu_info();
  EXPECT_TRUE(info.avx2);
  EXPECT_GE(info.available_cores, 1);
  EXPECT_GE(info.machine_cores, info.available_cores);
  EXPECT_THAT(cpu_description(), testing::HasSubstr(info.model + ", AVX2"));
  EXPECT_THAT(cpu_description(), testing::Not(testing::HasSubstr("\n")));
}

}  // namespace
}  // namespace mbrl
