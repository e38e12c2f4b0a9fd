// Tests for kernels/formulas/adam.h.
#include "kernels/formulas/adam.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(AdamTest, RateOfTheFirstSteps) {
  const AdamConstants c{1e-3f};
  // t = 1: sqrt(1 - 0.999) / (1 - 0.9) = 0.3162278; t = 2: sqrt(0.001999) / 0.19
  EXPECT_NEAR(adam_step_constants(c, 1).rate, 3.162278e-4f, 1e-8f);
  EXPECT_NEAR(adam_step_constants(c, 2).rate, 2.353158e-4f, 1e-8f);
  EXPECT_NEAR(adam_step_constants(c, 1000000).rate, 1e-3f, 1e-9f);
}

TEST(AdamTest, ThreeStepsByHand) {
  // gradients 1, -2, 4 from p = 1 with rate 0.1:
  // m = 0.1, -0.11, 0.301; v = 0.001, 0.004999, 0.020994001
  float p = 1.0f, m = 0.0f, v = 0.0f;
  const AdamConstants c{0.1f};
  const double expected[] = {0.9, 0.936610379, 0.894644820};
  const double moments[][2] = {{0.1, 0.001}, {-0.11, 0.004999}, {0.301, 0.020994001}};
  const float gradients[] = {1, -2, 4};
  for (int t = 1; t <= 3; ++t) {
    adam_update(p, m, v, gradients[t - 1], adam_step_constants(c, t));
    // 1 - 0.999f is 1.3e-5 off 0.001
    EXPECT_NEAR(m, moments[t - 1][0], 1e-6);
    EXPECT_NEAR(v, moments[t - 1][1], 2e-5 * v);
    EXPECT_NEAR(p, expected[t - 1], 2e-6);
  }
}

// the standard form: epsilon is added to the corrected root
double standard_form_step(double learning_rate, double m, double v, int t) {
  return learning_rate * (m / (1.0 - std::pow(0.9, t))) /
         (std::sqrt(v / (1.0 - std::pow(0.999, t))) + 1e-8);
}

TEST(AdamTest, EpsilonWeighsMoreThanInTheStandardFormAtFirst) {
  // gradient 1e-7: m = 1e-8, sqrt(v) = 3.162278e-9. Here the step is rate 3.162278e-4 * 1e-8 /
  // (3.162278e-9 + 1e-8); the standard form has 1e-3 * 1e-7 / (1e-7 + 1e-8)
  float p = 0.0f, m = 0.0f, v = 0.0f;
  adam_update(p, m, v, 1e-7f, adam_step_constants({1e-3f}, 1));
  EXPECT_NEAR(-p, 2.402532e-4f, 1e-8f);
  EXPECT_NEAR(standard_form_step(1e-3, 1e-8, 1e-17, 1), 9.090909e-4, 1e-9);

  // after many steps of one gradient both are the same
  p = m = v = 0.0f;
  for (int t = 1; t <= 20000; ++t) {
    p = 0.0f;
    adam_update(p, m, v, 1e-7f, adam_step_constants({1e-3f}, t));
  }
  EXPECT_NEAR(-p, standard_form_step(1e-3, m, v, 20000), 1e-9);

  // and for gradients far above epsilon they are the same from the start
  p = m = v = 0.0f;
  adam_update(p, m, v, 1.0f, adam_step_constants({1e-3f}, 1));
  EXPECT_NEAR(-p, 1e-3f, 1e-9f);
}

TEST(AdamTest, FirstStepsHaveTheSizeOfTheLearningRate) {
  for (const float gradient : {1e-3f, 1.0f, 1e4f, -7.0f}) {
    float p = 0.0f, m = 0.0f, v = 0.0f;
    adam_update(p, m, v, gradient, adam_step_constants({0.01f}, 1));
    EXPECT_NEAR(p, gradient > 0 ? -0.01f : 0.01f, 1e-5f);
  }
}

TEST(AdamTest, AgreesWithDoublePrecision) {
  const AdamConstants c{3e-4f};
  constexpr std::size_t kCount = 5000;
  std::vector<float> p = random_values(kCount, 1), m(kCount), v(kCount);
  std::vector<double> p64 = doubles(p), m64(kCount), v64(kCount);
  for (int t = 1; t <= 5; ++t) {
    const auto g = random_values(kCount, 10 + static_cast<std::uint32_t>(t));
    const double b1 = c.beta1, b2 = c.beta2;
    const double rate = c.learning_rate * std::sqrt(1 - std::pow(b2, t)) / (1 - std::pow(b1, t));
    for (std::size_t i = 0; i < kCount; ++i) {
      adam_update(p[i], m[i], v[i], g[i], adam_step_constants(c, t));
      m64[i] = b1 * m64[i] + (1 - b1) * g[i];
      v64[i] = b2 * v64[i] + (1 - b2) * g[i] * g[i];
      p64[i] -= rate * m64[i] / (std::sqrt(v64[i]) + c.epsilon);
    }
  }
  EXPECT_THAT(m, NearInNorm(m64, 1e-6));
  EXPECT_THAT(v, NearInNorm(v64, 1e-6));
  // five roundings of parameters of order 1
  EXPECT_THAT(p, ElementsNear(p64, {5 * 0x1p-24, 1e-7}));
}

}  // namespace
}  // namespace mbrl
