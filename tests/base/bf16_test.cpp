// Tests for base/bf16.h.
#include "base/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/matchers.h"

namespace mbrl {
namespace {

float from_bf16(std::uint32_t bits) { return std::bit_cast<float>(bits << 16); }
float rounded(float x) { return from_bf16(to_bf16(x)); }

TEST(Bf16Test, RoundsToTheNearestWithTiesToEven) {
  const float step = 0x1p-7f;  // of bf16 above 1
  EXPECT_EQ(rounded(1.0f), 1.0f);
  EXPECT_EQ(rounded(1.0f + 0.5f * step), 1.0f);                // a tie
  EXPECT_EQ(rounded(1.0f + 1.5f * step), 1.0f + 2.0f * step);  // the other way
  EXPECT_EQ(rounded(std::nextafter(1.0f + 0.5f * step, 2.0f)), 1.0f + step);
  EXPECT_EQ(rounded(-1.0f - 1.4f * step), -1.0f - step);
  EXPECT_EQ(std::signbit(rounded(-0.0f)), true);
  for (const float x : random_values(1000, 1))
    EXPECT_LE(std::abs(rounded(x) - x), std::abs(x) / 256);
}

TEST(Bf16Test, KeepsWhatIsNoNumber) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(rounded(infinity), infinity);
  EXPECT_EQ(rounded(std::numeric_limits<float>::max()), infinity);
  EXPECT_TRUE(std::isnan(rounded(std::nanf(""))));
  // one whose payload is in the lower half alone, or all ones
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0x7f800001u))));
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0xffffffffu))));
}

TEST(Bf16Test, APairHasItsFirstNumberInTheLowHalf) {
  EXPECT_EQ(bf16_pair(1.0f, -2.0f), 0xc0003f80u);
}

}  // namespace
}  // namespace mbrl
