// Tests for kernels/formulas/squashed_gaussian.h.
#include "kernels/formulas/squashed_gaussian.h"

#include <gtest/gtest.h>

#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(SquashedGaussianTest, StandardNormalAtZeroByHand) {
  // u = 0: a = 0, density 1 / sqrt(2 pi), and tanh has slope 1 there
  const SquashedSample s = squashed_gaussian_sample(0.0f, 0.0f, 0.0f);
  EXPECT_EQ(s.action, 0.0f);
  EXPECT_EQ(s.pre_tanh, 0.0f);
  EXPECT_EQ(s.std, 1.0f);
  EXPECT_NEAR(s.log_prob, -0.918938533f, 1e-6f);
}

TEST(SquashedGaussianTest, SampleByHand) {
  // sd 2, noise 0.5: u = 0 + 1; a = tanh 1; ln(1 - a^2) = ln 0.419974342
  const SquashedSample s = squashed_gaussian_sample(0.0f, 0.693147181f, 0.5f);
  EXPECT_NEAR(s.action, 0.761594156f, 1e-6f);
  EXPECT_NEAR(s.log_prob, -0.125f - 0.693147181f - 0.918938533f + 0.867561656f, 2e-6f);
}

TEST(SquashedGaussianTest, LogStdIsClipped) {
  EXPECT_EQ(squashed_gaussian_sample(0.1f, 5.0f, 0.3f).std,
            squashed_gaussian_sample(0.1f, 2.0f, 0.3f).std);
  EXPECT_EQ(squashed_gaussian_sample(0.1f, -50.0f, 0.3f).log_prob,
            squashed_gaussian_sample(0.1f, -20.0f, 0.3f).log_prob);
}

TEST(SquashedGaussianTest, LogProbStaysFiniteWhereTheActionSaturates) {
  for (const float mean : {-1000.0f, -20.0f, 20.0f, 1000.0f}) {
    const SquashedSample s = squashed_gaussian_sample(mean, 0.0f, 0.0f);
    EXPECT_EQ(s.action, mean > 0 ? 1.0f : -1.0f);
    // ln(1 - tanh^2) tends to 2 ln 2 - 2 |u|
    EXPECT_NEAR(s.log_prob, -0.918938533f - 2.0f * (0.693147181f - std::fabs(mean)),
                2e-6f * std::fabs(mean) + 1e-5f);
  }
}

TEST(SquashedGaussianTest, ActionAloneIsTheSampledOne) {
  const auto values = random_values(300, 5);
  for (std::size_t i = 0; i < 300; i += 3)
    EXPECT_EQ(squashed_gaussian_action(values[i], values[i + 1], values[i + 2]),
              squashed_gaussian_sample(values[i], values[i + 1], values[i + 2]).action);
}

TEST(SquashedGaussianTest, DensityIntegratesToOne) {
  // midpoint rule over the noise of two different Gaussians' common action range
  double sum = 0.0;
  const double mean = 0.4, std = 0.7;
  constexpr int kSteps = 20000;
  for (int i = 0; i < kSteps; ++i) {
    const double a = -1.0 + 2.0 * (i + 0.5) / kSteps, u = std::atanh(a);
    const SquashedSample s =
        squashed_gaussian_sample(static_cast<float>(mean), static_cast<float>(std::log(std)),
                                 static_cast<float>((u - mean) / std));
    sum += std::exp(s.log_prob) * 2.0 / kSteps;
  }
  EXPECT_NEAR(sum, 1.0, 1e-5);
}

TEST(SquashedGaussianLogProbTest, ValuesByHand) {
  EXPECT_NEAR(squashed_gaussian_log_prob(0.0f, 0.0f, 0.0f), -0.918938533f, 1e-6f);
  // atanh 0.6 = ln 2; sd 2, mean 0: noise ln 2 / 2; 1 - 0.36 = 0.64
  EXPECT_NEAR(squashed_gaussian_log_prob(0.0f, 0.693147181f, 0.6f),
              -0.5 * 0.346573590 * 0.346573590 - 0.693147181 - 0.918938533 + 0.446287103, 2e-6);
}

TEST(SquashedGaussianLogProbTest, OfASampledActionIsTheSamplesOwn) {
  const auto values = random_values(900, 7);
  int compared = 0;
  for (std::size_t i = 0; i < 900; i += 3) {
    const float mean = values[i], raw = 0.5f * values[i + 1], noise = values[i + 2];
    const SquashedSample s = squashed_gaussian_sample(mean, raw, noise);
    // closer to an end the rounded action no longer says where it came from
    if (std::fabs(s.action) > 0.99f) continue;
    EXPECT_NEAR(squashed_gaussian_log_prob(mean, raw, s.action), s.log_prob, 5e-5f)
        << mean << " " << raw << " " << noise;
    ++compared;
  }
  EXPECT_GT(compared, 200);
}

// the float64 density of an action, one dimension
double exact_log_prob(double mean, double raw_log_std, double action) {
  const double log_std = std::fmin(std::fmax(raw_log_std, -20.0), 2.0);
  const double noise = (std::atanh(action) - mean) * std::exp(-log_std);
  return -0.5 * noise * noise - log_std - 0.5 * std::log(2 * M_PI) - std::log1p(-action * action);
}

TEST(SquashedGaussianLogProbTest, AgreesWithDoublePrecisionUpToTheEnds) {
  for (const float mean : {-1.5f, 0.0f, 0.3f})
    for (const float raw : {-1.0f, 0.0f, 1.5f, 7.0f})
      for (const float action : {-0.99999994f, -0.9999f, -0.5f, -1e-4f, 0.0f, 0.7f, 0.999999f}) {
        const double wanted = exact_log_prob(mean, raw, action);
        EXPECT_NEAR(squashed_gaussian_log_prob(mean, raw, action), wanted,
                    2e-6 * std::fabs(wanted) + 2e-6)
            << mean << " " << raw << " " << action;
      }
}

TEST(SquashedGaussianLogProbTest, AnActionAtAnEndCountsAsTheLastOneBeforeIt) {
  constexpr float kLast = 0.99999994f;
  ASSERT_EQ(std::nextafter(kLast, 2.0f), 1.0f);
  for (const float sign : {-1.0f, 1.0f}) {
    const float at_end = squashed_gaussian_log_prob(0.2f, -0.5f, sign);
    EXPECT_TRUE(std::isfinite(at_end));
    EXPECT_EQ(at_end, squashed_gaussian_log_prob(0.2f, -0.5f, sign * kLast));
  }
}

TEST(SquashedGaussianLogProbTest, ANanStaysOne) {
  const float nan = std::nanf("");
  EXPECT_TRUE(std::isnan(squashed_gaussian_log_prob(nan, 0.0f, 0.5f)));
  EXPECT_TRUE(std::isnan(squashed_gaussian_log_prob(0.0f, nan, 0.5f)));
  EXPECT_TRUE(std::isnan(squashed_gaussian_log_prob(0.0f, 0.0f, nan)));
}

TEST(SquashedGaussianLogProbTest, TheDensityOfActionsIntegratesToOne) {
  double sum = 0.0;
  constexpr int kSteps = 20000;
  for (int i = 0; i < kSteps; ++i)
    sum += std::exp(squashed_gaussian_log_prob(
               0.4f, -0.35f, static_cast<float>(-1.0 + 2.0 * (i + 0.5) / kSteps))) *
           2.0 / kSteps;
  EXPECT_NEAR(sum, 1.0, 1e-5);
}

TEST(SquashedGaussianTest, AClippedLogStdHasNoGradient) {
  for (const float raw : {-20.5f, 2.5f}) {
    const SquashedSample s = squashed_gaussian_sample(0.1f, raw, 0.2f);
    const SquashedGradient g = squashed_gaussian_gradient(s, raw, 0.2f, 1.0f, 1.0f);
    EXPECT_EQ(g.d_raw_log_std, 0.0f);
    EXPECT_NE(g.d_mean, 0.0f);
  }
  const SquashedSample edge = squashed_gaussian_sample(0.1f, kMaxLogStd, 0.2f);
  EXPECT_NE(squashed_gaussian_gradient(edge, kMaxLogStd, 0.2f, 1.0f, 1.0f).d_raw_log_std, 0.0f);
}

TEST(SquashedGaussianTest, AgreesWithDoublePrecisionAndItsCentralDifferences) {
  constexpr std::size_t kCount = 1000;
  const auto mean = random_values(kCount, 1, 0.7f), raw = random_values(kCount, 2, 0.7f),
             noise = random_values(kCount, 3), d_action = random_values(kCount, 4),
             d_log_prob = random_values(kCount, 5);
  std::vector<float> action, log_prob, d_mean, d_raw;
  std::vector<double> actions, log_probs, d_means, d_raws;
  for (std::size_t i = 0; i < kCount; ++i) {
    const SquashedSample s = squashed_gaussian_sample(mean[i], raw[i], noise[i]);
    const SquashedGradient g =
        squashed_gaussian_gradient(s, raw[i], noise[i], d_action[i], d_log_prob[i]);
    action.push_back(s.action);
    log_prob.push_back(s.log_prob);
    d_mean.push_back(g.d_mean);
    d_raw.push_back(g.d_raw_log_std);

    reference::Doubles head{mean[i], raw[i]};
    const auto sample = [&] { return reference::squashed_gaussian(head, {noise[i]}); };
    actions.push_back(sample().action[0]);
    log_probs.push_back(sample().log_prob);
    const auto gradient = reference::gradient(
        head, [&] { return d_action[i] * sample().action[0] + d_log_prob[i] * sample().log_prob; });
    d_means.push_back(gradient[0]);
    d_raws.push_back(gradient[1]);
  }
  EXPECT_THAT(action, ElementsNear(actions));
  EXPECT_THAT(log_prob, ElementsNear(log_probs, {2e-6, 1e-6}));
  EXPECT_THAT(d_mean, ElementsNear(d_means, {4e-6, 4e-6}));
  EXPECT_THAT(d_raw, ElementsNear(d_raws, {4e-6, 4e-6}));
}

}  // namespace
}  // namespace mbrl
