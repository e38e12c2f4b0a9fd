// Tests for cuda/cpu_isa.{h,cpp}.
#include "cuda/cpu_isa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "cuda/device.h"

namespace mbrl {
namespace {

TEST(CpuIsaTest, WithoutANameTheBestThereIs) {
  for (const char* none : {static_cast<const char*>(nullptr), ""}) {
    EXPECT_EQ(choose_cpu_isa(none).avx512, cpu_has_avx512());
    EXPECT_EQ(choose_cpu_isa(none).bf16,
              cpu_has_avx512_bf16() ? CpuIsa::Bf16::kAvx512 : CpuIsa::Bf16::kNone);
  }
}

TEST(CpuIsaTest, ANameAsksForLess) {
  EXPECT_FALSE(choose_cpu_isa("avx2").avx512);
  EXPECT_EQ(choose_cpu_isa("avx2").bf16, CpuIsa::Bf16::kNone);
  EXPECT_EQ(choose_cpu_isa("bf16_portable").avx512, cpu_has_avx512());
  EXPECT_EQ(choose_cpu_isa("bf16_portable").bf16, CpuIsa::Bf16::kPortable);
}

TEST(CpuIsaTest, WhatIsNotKnownOrNotThereIsAConfigError) {
  EXPECT_THROW(choose_cpu_isa("avx5"), ConfigError);
  if (cpu_has_avx512()) {
    EXPECT_TRUE(choose_cpu_isa("avx512").avx512);
  } else {
    EXPECT_THROW(choose_cpu_isa("avx512"), ConfigError);
  }
}

}  // namespace
}  // namespace mbrl
