// Tests for kernels/formulas/gaussian_nll.h.
#include "kernels/formulas/gaussian_nll.h"

#include <gtest/gtest.h>

#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(GaussianNllTest, TermByHand) {
  // error 2, variance 1/4 (logvar -ln 4): 4 * 4 - ln 4
  const NllTerm t = gaussian_nll_term(3.0f, -1.386294361f, 1.0f);
  EXPECT_NEAR(t.loss, 16.0f - 1.386294361f, 1e-5f);
  EXPECT_NEAR(t.d_mean, 2.0f * 2.0f * 4.0f, 1e-5f);
  EXPECT_NEAR(t.d_logvar, 1.0f - 16.0f, 1e-5f);
}

TEST(GaussianNllTest, BestLogvarIsThatOfTheError) {
  // at variance = error^2 the loss does not change with the variance
  EXPECT_NEAR(gaussian_nll_term(1.5f, std::log(0.25f), 1.0f).d_logvar, 0.0f, 1e-6f);
}

TEST(BoundLogvarTest, StaysBetweenItsBoundsAndPassesTheMiddle) {
  // the bounds are soft: they overlap by ln(1 + e^(min - max)) at most
  for (const float raw : {-1000.0f, -30.0f, -10.0f, -5.0f, 0.5f, 3.0f, 1000.0f}) {
    const float bounded = bound_logvar(raw, 0.5f, -10.0f);
    EXPECT_GE(bounded, -10.0f) << raw;
    EXPECT_LE(bounded, 0.5f + 3e-5f) << raw;
  }
  EXPECT_NEAR(bound_logvar(-5.0f, 0.5f, -10.0f), -5.0f, 0.01f);
  EXPECT_NEAR(bound_logvar(0.5f, 0.5f, -10.0f), 0.5f - std::log(2.0f), 1e-4f);
}

TEST(BoundLogvarTest, GradientsAgreeWithCentralDifferences) {
  for (double raw : {-40.0, -12.0, -9.0, -4.0, 0.0, 0.7, 2.0, 6.0, 30.0})
    for (double max_logvar : {0.5, -1.0})
      for (double min_logvar : {-10.0, -3.0}) {
        const BoundedLogvar g =
            bound_logvar_with_gradient(static_cast<float>(raw), static_cast<float>(max_logvar),
                                       static_cast<float>(min_logvar));
        const auto value = [&] { return reference::bound_logvar(raw, max_logvar, min_logvar); };
        EXPECT_THAT((std::vector<float>{g.value, g.d_raw, g.d_max, g.d_min}),
                    ElementsNear({value(), reference::derivative(raw, value),
                                  reference::derivative(max_logvar, value),
                                  reference::derivative(min_logvar, value)}))
            << raw << " " << max_logvar << " " << min_logvar;
        EXPECT_EQ(g.value, bound_logvar(static_cast<float>(raw), static_cast<float>(max_logvar),
                                        static_cast<float>(min_logvar)));
      }
}

TEST(BoundLogvarTest, AFarBoundKeepsItsSmallGradient) {
  // 15 above the minimum: the gradient is e^-15, which 1 - sigmoid would round to a multiple of
  // 2^-24
  const BoundedLogvar g = bound_logvar_with_gradient(5.0f, 30.0f, -10.0f);
  EXPECT_NEAR(g.d_min / std::exp(-15.0f), 1.0f, 1e-5f);
}

TEST(GaussianNllTest, TermsAgreeWithDoublePrecisionAndItsCentralDifferences) {
  constexpr std::size_t kCount = 2000;
  const auto mean = random_values(kCount, 1), logvar = random_values(kCount, 2, 2.0f),
             target = random_values(kCount, 3);
  std::vector<float> loss, d_mean, d_logvar;
  std::vector<double> losses, d_means, d_logvars;
  for (std::size_t i = 0; i < kCount; ++i) {
    const NllTerm t = gaussian_nll_term(mean[i], logvar[i], target[i]);
    loss.push_back(t.loss);
    d_mean.push_back(t.d_mean);
    d_logvar.push_back(t.d_logvar);

    reference::Doubles at{mean[i], logvar[i]};
    const auto exact = [&] {
      const double error = at[0] - target[i];
      return error * error / std::exp(at[1]) + at[1];
    };
    losses.push_back(exact());
    const auto gradient = reference::gradient(at, exact);
    d_means.push_back(gradient[0]);
    d_logvars.push_back(gradient[1]);
  }
  EXPECT_THAT(loss, NearInNorm(losses, 2e-6));
  EXPECT_THAT(d_mean, NearInNorm(d_means, 2e-6));
  EXPECT_THAT(d_logvar, NearInNorm(d_logvars, 2e-6));
}

TEST(GaussianNllTest, NanShows) {
  const NllTerm t = gaussian_nll_term(1.0f, std::nanf(""), 2.0f);
  EXPECT_TRUE(std::isnan(t.loss));
  EXPECT_TRUE(std::isnan(t.d_mean));
}

}  // namespace
}  // namespace mbrl
