// Tests for base/scalar.h: errors over dense sweeps of floats, NaN, and the ends of the range.
#include "base/scalar.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "tests/support/matchers.h"
#include "tests/support/reference.h"

namespace mbrl {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// floats as integers in order of their values
std::int64_t order_of(float x) {
  const auto bits = std::bit_cast<std::int32_t>(x);
  return bits < 0 ? -static_cast<std::int64_t>(bits & 0x7fffffff) : bits;
}
float float_at(std::int64_t order) {
  const std::uint32_t sign = order < 0 ? 0x80000000u : 0u;
  return std::bit_cast<float>(static_cast<std::uint32_t>(std::abs(order)) | sign);
}

// distance of neighbouring floats at x; that of the smallest normal below it
double ulp(double x) {
  const float at = std::max(static_cast<float>(std::fabs(x)), std::numeric_limits<float>::min());
  return static_cast<double>(std::nextafter(at, kInf)) - at;
}

// every stride-th float of [low, high]; `scale` gives the size an ulp is measured at
template <typename Function, typename Exact, typename Scale>
void expect_within(double ulps, float low, float high, std::int64_t stride, Function function,
                   Exact exact, Scale scale) {
  double worst = 0.0;
  float worst_at = low;
  for (std::int64_t o = order_of(low); o <= order_of(high); o += stride) {
    const float x = float_at(o);
    const double error = std::fabs(function(x) - exact(static_cast<double>(x))) / ulp(scale(x));
    if (!(error <= worst)) {
      worst = error;
      worst_at = x;
    }
  }
  EXPECT_LE(worst, ulps * tolerance_scale())
      << "at " << std::hexfloat << worst_at << ": " << function(worst_at) << " for "
      << exact(static_cast<double>(worst_at));
}
template <typename Function, typename Exact>
void expect_within(double ulps, float low, float high, std::int64_t stride, Function function,
                   Exact exact) {
  expect_within(ulps, low, high, stride, function, exact,
                [&](float x) { return exact(static_cast<double>(x)); });
}

// formulas are inlined by force, so a pointer to one cannot be passed on
#define MBRL_CALL(function) [](float x) { return function(x); }

// a prime, so that all low bits occur
constexpr std::int64_t kStride = 1009;

TEST(ScalarTest, ExpIsWithinTwoUlp) {
  const auto exact = [](double x) { return std::exp(x); };
  expect_within(2.0, -87.0f, 87.0f, kStride, MBRL_CALL(exp_f), exact);
  // around the reduction's edges
  expect_within(2.0, 0.34f, 0.36f, 1, MBRL_CALL(exp_f), exact);
}

TEST(ScalarTest, ExpSaturates) {
  EXPECT_EQ(exp_f(0.0f), 1.0f);
  for (const float x : {87.5f, 1e10f, kInf}) EXPECT_EQ(exp_f(x), exp_f(87.0f));
  for (const float x : {-87.5f, -1e10f, -kInf}) EXPECT_EQ(exp_f(x), exp_f(-87.0f));
  EXPECT_GE(exp_f(-87.0f), std::numeric_limits<float>::min());
  EXPECT_GE(1.0f / exp_f(87.0f), std::numeric_limits<float>::min());
}

TEST(ScalarTest, LogIsWithinTwoUlp) {
  const auto exact = [](double x) { return std::log(x); };
  expect_within(2.0, std::numeric_limits<float>::min(), std::numeric_limits<float>::max(), kStride,
                MBRL_CALL(log_positive), exact);
  expect_within(2.0, 0.9999f, 1.0001f, 1, MBRL_CALL(log_positive), exact);
  EXPECT_EQ(log_positive(1.0f), 0.0f);
}

TEST(ScalarTest, TanhIsWithinTwoUlp) {
  const auto exact = [](double x) { return std::tanh(x); };
  expect_within(2.0, -20.0f, 20.0f, kStride, MBRL_CALL(tanh_f), exact);
  expect_within(2.0, 0.62f, 0.63f, 1, MBRL_CALL(tanh_f), exact);  // where the two forms meet
}

TEST(ScalarTest, TanhIsOddAndSaturates) {
  EXPECT_EQ(tanh_f(kInf), 1.0f);
  EXPECT_EQ(tanh_f(-kInf), -1.0f);
  for (const float x : {0.0f, 1e-6f, 0.3f, 0.7f, 5.0f}) EXPECT_EQ(tanh_f(-x), -tanh_f(x));
  EXPECT_LE(tanh_f(9.0f), 1.0f);
}

TEST(ScalarTest, SoftplusIsWithinTwoUlp) {
  const auto exact = [](double x) { return reference::softplus(x); };
  expect_within(2.0, -87.0f, 100.0f, kStride, MBRL_CALL(softplus_f), exact);
  EXPECT_EQ(softplus_f(kInf), kInf);
  EXPECT_LE(softplus_f(-kInf), 1e-37f);
}

TEST(ScalarTest, SigmoidIsWithinThreeUlp) {
  const auto exact = [](double x) { return reference::sigmoid(x); };
  expect_within(3.0, -86.0f, 100.0f, kStride, MBRL_CALL(sigmoid_f), exact);
  EXPECT_EQ(sigmoid_f(0.0f), 0.5f);
  EXPECT_EQ(sigmoid_f(kInf), 1.0f);
  EXPECT_LE(sigmoid_f(-kInf), 1e-37f);
}

TEST(ScalarTest, SigmoidPairKeepsSmallComplements) {
  expect_within(
      3.0, -86.0f, 86.0f, kStride, [](float x) { return sigmoid_pair_f(x).value; },
      [](double x) { return reference::sigmoid(x); });
  // two more roundings: t is exact to an ulp, s to three
  expect_within(
      4.0, -86.0f, 86.0f, kStride, [](float x) { return sigmoid_pair_f(x).complement; },
      [](double x) { return reference::sigmoid(-x); });
  EXPECT_NEAR(sigmoid_pair_f(-kInf).complement, 1.0f, 1e-6f);
}

TEST(ScalarTest, SwishIsWithinThreeUlp) {
  // results below the smallest normal may be flushed
  const auto exact = [](double x) { return x * reference::sigmoid(x); };
  expect_within(3.0, -80.0f, -1e-37f, kStride, MBRL_CALL(swish_f), exact);
  expect_within(3.0, 1e-37f, 100.0f, kStride, MBRL_CALL(swish_f), exact);
}

TEST(ScalarTest, SwishGradientIsWithinFourUlpOfItsLargerTerm) {
  const auto exact = [](double x) {
    const double s = reference::sigmoid(x);
    return s + x * s * reference::sigmoid(-x);
  };
  const auto larger_term = [](float x) {
    const double s = reference::sigmoid(x);
    return std::max(s, std::fabs(x * s * reference::sigmoid(-x)));
  };
  expect_within(4.0, -80.0f, 100.0f, kStride, MBRL_CALL(swish_gradient_f), exact, larger_term);
  EXPECT_EQ(swish_gradient_f(0.0f), 0.5f);
}

// sine of a quarter-reduced turn, so that zero crossings keep their relative accuracy in double
double exact_sine(double u) {
  const double quarter = std::nearbyint(4.0 * u), angle = (u - quarter / 4.0) * 2.0 * M_PI;
  switch (static_cast<int>(quarter) & 3) {
    case 0:
      return std::sin(angle);
    case 1:
      return std::cos(angle);
    case 2:
      return -std::sin(angle);
    default:
      return -std::cos(angle);
  }
}

TEST(ScalarTest, SinesAndCosinesAreWithinTwoUlpOnEveryUniform) {
  double worst_sine = 0.0, worst_cosine = 0.0;
  for (int i = 0; i <= 1 << 24; i += 7) {
    const float u = static_cast<float>(i) * 0x1p-24f;
    float sine, cosine;
    sincos_turns(u, sine, cosine);
    const double s = exact_sine(u), c = exact_sine(u + 0.25);
    worst_sine = std::max(worst_sine, std::fabs(sine - s) / ulp(s));
    worst_cosine = std::max(worst_cosine, std::fabs(cosine - c) / ulp(c));
  }
  EXPECT_LE(worst_sine, 2.0 * tolerance_scale());
  EXPECT_LE(worst_cosine, 2.0 * tolerance_scale());
}

TEST(ScalarTest, QuarterTurnsAreExact) {
  const float sines[] = {0, 1, 0, -1, 0}, cosines[] = {1, 0, -1, 0, 1};
  for (int quarter = 0; quarter <= 4; ++quarter) {
    float sine, cosine;
    sincos_turns(0.25f * static_cast<float>(quarter), sine, cosine);
    EXPECT_EQ(sine, sines[quarter]) << quarter;
    EXPECT_EQ(cosine, cosines[quarter]) << quarter;
  }
}

TEST(ScalarTest, RoundsToTheNearestIntegerAndTiesToEven) {
  for (const float x : {-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 2.4f, 1e6f + 0.5f}) {
    const RoundedProduct rounded = round_product(x, 1.0f);
    EXPECT_EQ(rounded.value, std::nearbyint(x)) << x;
    const auto integer = static_cast<std::int32_t>(rounded.value);
    EXPECT_EQ(rounded.bits & 0xffffu, static_cast<std::uint32_t>(integer) & 0xffffu) << x;
  }
  // a product of 2.50000004, which as a float were 2.5, is rounded once
  EXPECT_EQ(round_product(25.0f, 0.1f).value, 3.0f);
}

TEST(ScalarTest, NanGoesThrough) {
  EXPECT_TRUE(std::isnan(exp_f(kNan)));
  EXPECT_TRUE(std::isnan(log_positive(kNan)));
  EXPECT_TRUE(std::isnan(tanh_f(kNan)));
  EXPECT_TRUE(std::isnan(softplus_f(kNan)));
  EXPECT_TRUE(std::isnan(sigmoid_f(kNan)));
  EXPECT_TRUE(std::isnan(swish_f(kNan)));
  EXPECT_TRUE(std::isnan(swish_gradient_f(kNan)));
  EXPECT_TRUE(std::isnan(clamp_f(kNan, 0.0f, 1.0f)));
  for (const auto& [a, b] : {std::pair{kNan, 1.0f}, std::pair{1.0f, kNan}}) {
    EXPECT_TRUE(std::isnan(min_f(a, b)));
    EXPECT_TRUE(std::isnan(max_f(a, b)));
  }
  float sine, cosine;
  sincos_turns(kNan, sine, cosine);
  EXPECT_TRUE(std::isnan(sine));
  EXPECT_TRUE(std::isnan(cosine));
}

TEST(ScalarTest, MinMaxAndClampChoose) {
  EXPECT_EQ(min_f(1.0f, 2.0f), 1.0f);
  EXPECT_EQ(min_f(2.0f, 1.0f), 1.0f);
  EXPECT_EQ(max_f(1.0f, 2.0f), 2.0f);
  EXPECT_EQ(max_f(2.0f, 1.0f), 2.0f);
  EXPECT_EQ(clamp_f(-3.0f, -1.0f, 1.0f), -1.0f);
  EXPECT_EQ(clamp_f(3.0f, -1.0f, 1.0f), 1.0f);
  EXPECT_EQ(clamp_f(0.5f, -1.0f, 1.0f), 0.5f);
}

// vector code and scalar code must agree to the bit, or a tile's remainder would differ from its
// body
TEST(ScalarTest, LoopsGiveTheBitsOfSingleCalls) {
  constexpr int kCount = 1003;
  std::vector<float> x = random_values(kCount, 1, 4.0f), loop(kCount), single(kCount);
  for (int i = 0; i < kCount; ++i)
    loop[i] = tanh_f(x[i]) + softplus_f(x[i]) + swish_gradient_f(x[i]);
  for (int i = 0; i < kCount; ++i) {
    volatile float one = x[i];
    const float v = one;
    single[i] = tanh_f(v) + softplus_f(v) + swish_gradient_f(v);
  }
  EXPECT_EQ(loop, single);
}

}  // namespace
}  // namespace mbrl
