// Tests for kernels/formulas/ppo_rows.h: values by hand, gradients against differences.
#include "kernels/formulas/ppo_rows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/reference.h"

namespace mbrl {
namespace {

using reference::Doubles;

TEST(PpoSurrogateTest, TheSmallerOfPlainAndClippedCounts) {
  const float old = -1.0f;
  // ratio 1.5: a good action gains no more than 1.2, a bad one pays in full
  const float up = old + std::log(1.5f);
  EXPECT_NEAR(ppo_surrogate(up, old, 2.0f, 0.2f).loss, -2.4f, 1e-6f);
  EXPECT_EQ(ppo_surrogate(up, old, 2.0f, 0.2f).d_log_prob, 0.0f);
  EXPECT_NEAR(ppo_surrogate(up, old, -2.0f, 0.2f).loss, 3.0f, 1e-6f);
  EXPECT_NEAR(ppo_surrogate(up, old, -2.0f, 0.2f).d_log_prob, 3.0f, 1e-6f);
  // ratio 0.5: the other way round
  const float down = old + std::log(0.5f);
  EXPECT_NEAR(ppo_surrogate(down, old, 2.0f, 0.2f).loss, -1.0f, 1e-6f);
  EXPECT_NEAR(ppo_surrogate(down, old, 2.0f, 0.2f).d_log_prob, -1.0f, 1e-6f);
  EXPECT_NEAR(ppo_surrogate(down, old, -2.0f, 0.2f).loss, 1.6f, 1e-6f);
  EXPECT_EQ(ppo_surrogate(down, old, -2.0f, 0.2f).d_log_prob, 0.0f);
}

TEST(PpoSurrogateTest, DivergenceAndClippingAreThoseOfTheRatio) {
  const Surrogate same = ppo_surrogate(-1.0f, -1.0f, 1.0f, 0.2f);
  EXPECT_EQ(same.approx_kl, 0.0f);
  EXPECT_EQ(same.is_clipped, 0.0f);
  const Surrogate far = ppo_surrogate(-1.0f + std::log(1.5f), -1.0f, 1.0f, 0.2f);
  EXPECT_NEAR(far.approx_kl, 0.5f - std::log(1.5f), 1e-6f);
  EXPECT_EQ(far.is_clipped, 1.0f);
  EXPECT_TRUE(std::isnan(ppo_surrogate(std::nanf(""), 0.0f, 1.0f, 0.2f).loss));
}

TEST(CategoricalTest, ProbabilitiesOfKnownOddsComeOut) {
  // odds 1 : 2 : 5
  const float logits[] = {0.0f, std::log(2.0f), std::log(5.0f)};
  const float log_sum = log_sum_exp(logits, 1, 3);
  EXPECT_NEAR(log_sum, std::log(8.0f), 1e-6f);
  EXPECT_NEAR(categorical_log_prob(logits, 1, 3, log_sum, 1.0f), std::log(0.25f), 1e-6f);
  EXPECT_NEAR(categorical_entropy(logits, 1, 3, log_sum),
              -(std::log(0.125) * 0.125 + std::log(0.25) * 0.25 + std::log(0.625) * 0.625), 1e-6);
  EXPECT_EQ(categorical_sample(logits, 1, 3, log_sum, 0.12f), 0);
  EXPECT_EQ(categorical_sample(logits, 1, 3, log_sum, 0.13f), 1);
  EXPECT_EQ(categorical_sample(logits, 1, 3, log_sum, 0.38f), 2);
  EXPECT_EQ(categorical_mode(logits, 1, 3), 2);
}

TEST(CategoricalTest, LargeLogitsStayFiniteAndForeignCategoriesDoNot) {
  const float logits[] = {500.0f, -500.0f};
  const float log_sum = log_sum_exp(logits, 1, 2);
  EXPECT_EQ(categorical_log_prob(logits, 1, 2, log_sum, 0.0f), 0.0f);
  EXPECT_EQ(categorical_log_prob(logits, 1, 2, log_sum, 1.0f), -1000.0f);
  for (const float foreign : {-1.0f, 2.0f, std::nanf("")})
    EXPECT_TRUE(std::isnan(categorical_log_prob(logits, 1, 2, log_sum, foreign))) << foreign;
}

TEST(CategoricalTest, GradientsMatchDifferences) {
  Doubles logits{0.3, -1.2, 0.7, 0.1};
  const auto log_sum = [&] {
    double sum = 0.0;
    for (const double l : logits) sum += std::exp(l);
    return std::log(sum);
  };
  const auto log_prob = [&] { return logits[2] - log_sum(); };
  const auto entropy = [&] {
    double sum = 0.0;
    for (const double l : logits) sum -= std::exp(l - log_sum()) * (l - log_sum());
    return sum;
  };
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto logit = static_cast<float>(logits[i]), sum = static_cast<float>(log_sum());
    const auto h = static_cast<float>(entropy());
    EXPECT_NEAR(categorical_gradient(logit, sum, h, i == 2, 1.0f, 0.0f),
                reference::derivative(logits[i], log_prob), 1e-6);
    EXPECT_NEAR(categorical_gradient(logit, sum, h, i == 2, 0.0f, 1.0f),
                reference::derivative(logits[i], entropy), 1e-6);
  }
}

TEST(GaussianDensityTest, ValuesAndDerivativesByHand) {
  // one standard deviation of 2 above the mean
  const float log_std = std::log(2.0f);
  const GaussianDensity g = gaussian_density(3.0f, 1.0f, log_std);
  EXPECT_NEAR(g.log_prob, -0.5 - std::log(2.0) - 0.5 * std::log(2 * M_PI), 1e-6);
  EXPECT_NEAR(g.d_mean, 0.5, 1e-6);
  EXPECT_NEAR(g.d_log_std, 0.0, 1e-6);
  EXPECT_NEAR(gaussian_entropy(log_std), std::log(2.0) + 0.5 * std::log(2 * M_PI * M_E), 1e-6);
}

TEST(GradientScaleTest, OnlyALongGradientIsShortened) {
  EXPECT_EQ(gradient_scale(25.0, 0.0f), 1.0f);
  EXPECT_EQ(gradient_scale(25.0, 6.0f), 1.0f);
  EXPECT_EQ(gradient_scale(25.0, 2.5f), 0.5f);
}

}  // namespace
}  // namespace mbrl
