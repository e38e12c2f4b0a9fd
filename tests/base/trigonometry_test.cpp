// Tests for base/trigonometry.h, beside <cmath> in double.
#include "base/trigonometry.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace mbrl {
namespace {

TEST(TrigonometryTest, IsWithinItsErrorAsFarAsItAnswers) {
  for (const double limit : {1.0, 10.0, 1e4, 3.99e6}) {
    double worst = 0.0;
    for (int i = -50000; i <= 50000; ++i) {
      const float x = static_cast<float>(limit * i / 50000);
      float sine, cosine;
      sincos_f(x, sine, cosine);
      worst = std::max({worst, std::fabs(sine - std::sin(static_cast<double>(x))),
                        std::fabs(cosine - std::cos(static_cast<double>(x)))});
      EXPECT_EQ(sine, sin_f(x));
      EXPECT_EQ(cosine, cos_f(x));
    }
    EXPECT_LE(worst, 5e-7) << "up to " << limit;
  }
}

TEST(TrigonometryTest, SmallAnglesKeepTheirDigits) {
  for (const float x : {1e-3f, -1e-3f, 1e-10f, -1e-20f})
    EXPECT_NEAR(sin_f(x), x, 3e-7f * std::fabs(x)) << x;
  EXPECT_EQ(sin_f(0.0f), 0.0f);
  EXPECT_EQ(cos_f(0.0f), 1.0f);
}

TEST(TrigonometryTest, AnAngleWithoutAFractionOfATurnHasNoAnswer) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float x : {4e6f, -4e6f, 1e30f, infinity, -infinity, std::nanf("")}) {
    EXPECT_TRUE(std::isnan(sin_f(x))) << x;
    EXPECT_TRUE(std::isnan(cos_f(x))) << x;
  }
}

}  // namespace
}  // namespace mbrl
