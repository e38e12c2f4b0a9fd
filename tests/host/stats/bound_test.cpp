// Tests for host/stats/bound.{h,cpp}.
//
// Values of scipy: the formula of equation 8 in numpy with scipy.stats.norm.isf for Phi^-1(1 - q),
// and the minima by a grid of 4001 logits and scipy.optimize.minimize_scalar, scipy 1.17.1.
#include "host/stats/bound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "base/error.h"

namespace mbrl {
namespace {

TEST(ReturnBoundTest, TermsByHand) {
  // approximation: 2 * 0.5 / 0.25 * 9 * 0.1; sampling: N = 8 / (1 * 2) = 4, K / delta = 40, so
  // log(160) / 4 under the root; iterations: 0.5^20 * 3
  const BoundConstants c{.gamma = 0.5,
                         .concentrability = 9,
                         .bellman_error = 0.1,
                         .num_actions = 2,
                         .num_iterations = 20,
                         .delta = 0.5,
                         .sigma = 1,
                         .v_max = 3};
  const BoundTerms terms = return_bound(c, 8, 1.0);
  EXPECT_NEAR(terms.approximation, 3.6, 1e-12);
  EXPECT_NEAR(terms.sampling, std::sqrt(std::log(160.0) / 4.0), 1e-12);
  EXPECT_EQ(terms.model, 0.0) << "all samples are real";
  EXPECT_NEAR(terms.iterations, 3.0 * std::pow(0.5, 20), 1e-18);
  EXPECT_EQ(terms.total(), terms.approximation + terms.sampling + terms.iterations);
}

TEST(ReturnBoundTest, TheModelTermIsAQuantileByHand) {
  // K = 1, delta = 0.8, N_real = 1: the tail is beta / (10 (1 - beta)). At 1/2 it is 0.1, whose
  // quantile every table of the normal distribution has
  const BoundConstants c{.num_iterations = 1, .delta = 0.8, .sigma = 2};
  EXPECT_NEAR(return_bound(c, 1, 0.5).model, 2.0 * 1.2815515655446004, 1e-12);
  // tail 1/2 at beta = 5/6, and more beyond: nothing is asked of sigma
  EXPECT_NEAR(return_bound(c, 1, 5.0 / 6.0 - 1e-9).model, 0.0, 1e-7);
  EXPECT_EQ(return_bound(c, 1, 0.9).model, 0.0);
}

TEST(ReturnBoundTest, TermsAgreeWithScipy) {
  const BoundTerms first = return_bound({}, 5000, 0.05);
  EXPECT_EQ(first.approximation, 0.0);
  EXPECT_NEAR(first.sampling, 0.014634347616995558, 1e-14);
  EXPECT_NEAR(first.model, 0.0642533554625866, 1e-13);
  EXPECT_NEAR(first.iterations, 0.004317124741065786, 1e-14);
  const BoundTerms second = return_bound({.gamma = 0.9,
                                          .concentrability = 4,
                                          .bellman_error = 0.02,
                                          .p = 2,
                                          .num_actions = 3,
                                          .num_iterations = 50,
                                          .delta = 0.1,
                                          .sigma = 0.5,
                                          .v_max = 10},
                                         20000, 0.3);
  EXPECT_NEAR(second.approximation, 7.2, 1e-12);
  EXPECT_NEAR(second.sampling, 0.16437621401869543, 1e-13);
  EXPECT_NEAR(second.model, 2.8595078808074397, 1e-11);
  EXPECT_NEAR(second.iterations, 0.717897987691853, 1e-13);
}

TEST(ReturnBoundTest, ConstantsOfOScaleTheirTerms) {
  const BoundTerms plain = return_bound({}, 5000, 0.05),
                   scaled = return_bound(
                       {.sampling_scale = 2, .model_scale = 3, .iteration_scale = 5}, 5000, 0.05);
  EXPECT_DOUBLE_EQ(scaled.sampling, 2 * plain.sampling);
  EXPECT_DOUBLE_EQ(scaled.model, 3 * plain.model);
  EXPECT_DOUBLE_EQ(scaled.iterations, 5 * plain.iterations);
}

TEST(BestRatioTest, AgreesWithScipy) {
  const BestRatio few = best_real_ratio({}, 1e4);
  EXPECT_EQ(few.ratio, 1.0) << "0.0480, where the best ratio that uses the model has 0.0765";
  EXPECT_NEAR(few.terms.total(), 0.04803648878551674, 1e-12);
  EXPECT_NEAR(few.inner_ratio.value(), 0.0035441690094798347, 1e-8);
  const BestRatio ten = best_real_ratio({.num_actions = 10}, 1e5);
  EXPECT_EQ(ten.ratio, 1.0);
  EXPECT_NEAR(ten.inner_ratio.value(), 0.003222747098503931, 1e-8);
  const BestRatio hundred = best_real_ratio({.num_actions = 100}, 1e5);
  EXPECT_NEAR(hundred.ratio, 0.00029370597997306484, 1e-9);
  EXPECT_EQ(hundred.ratio, hundred.inner_ratio.value());
  EXPECT_NEAR(hundred.terms.total(), 0.08274482377536006, 1e-12);
}

TEST(BestRatioTest, RisesWithTheNumberOfRealSamples) {
  double last = 0.0;
  for (double num_real = 100; num_real < 1e7; num_real *= 1.5) {
    const BestRatio best = best_real_ratio({.num_actions = 10}, num_real);
    if (last < 1.0) {
      EXPECT_GT(best.ratio, last) << num_real;
    } else {
      EXPECT_EQ(best.ratio, 1.0) << num_real;
    }
    last = best.ratio;
  }
  EXPECT_EQ(last, 1.0);
}

TEST(BestRatioTest, FindsAMinimumManyDecadesBelowOne) {
  // (beta log / N_real)^(1/10) has to come down to the size of sigma, so beta to below 1e-30
  const BoundConstants c{.p = 5, .sigma = 1e-4};
  const BestRatio best = best_real_ratio(c, 1e6);
  EXPECT_LT(best.ratio, 1e-30);
  EXPECT_GT(best.ratio, 1e-50);
  EXPECT_LT(best.terms.total(), return_bound(c, 1e6, 10 * best.ratio).total());
  EXPECT_LT(best.terms.total(), return_bound(c, 1e6, 0.1 * best.ratio).total());
  EXPECT_LT(best.terms.total(), return_bound(c, 1e6, 1.0).total());
}

TEST(BestRatioTest, NoRatioOfAFineGridIsBetter) {
  for (const double sigma : {1e-4, 1e-2, 1.0}) {
    for (const double p : {1.0, 3.0}) {
      const BoundConstants c{.p = p, .num_actions = 5, .sigma = sigma};
      const double best = best_real_ratio(c, 3000).terms.total();
      for (double ratio = 1e-12; ratio <= 1.0; ratio *= 1.01)
        EXPECT_LE(best, return_bound(c, 3000, ratio).total() * (1 + 1e-12))
            << sigma << " " << ratio;
    }
  }
}

std::string error_of(const BoundConstants& c, double num_real = 1000, double ratio = 0.5) {
  try {
    return_bound(c, num_real, ratio);
    best_real_ratio(c, num_real);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(BestRatioTest, KnownValuesOfOneNorm) {
  // sigma .01, |A| 1, K 1000, delta .05, all constants of O() 1, found with scipy
  const BoundConstants c{.p = 1.0};
  EXPECT_NEAR(best_real_ratio(c, 1000).ratio, 0.0003519, 5e-8);
  EXPECT_NEAR(best_real_ratio(c, 3162).ratio, 0.001114, 1e-6);
  // the model is no longer worth its errors, though the inner minimum rises on
  EXPECT_EQ(best_real_ratio(c, 5623).ratio, 1.0);
  EXPECT_NEAR(best_real_ratio(c, 5623).inner_ratio.value(), 0.00199, 5e-6);
  EXPECT_EQ(best_real_ratio(c, 100000).ratio, 1.0);
  EXPECT_NEAR(best_real_ratio(c, 100000).inner_ratio.value(), 0.0384, 5e-5);
}

TEST(BestRatioTest, TheInnerMinimumOfOneNormHasAClosedForm) {
  for (const double sigma : {1e-3, 1e-2, 3e-2})
    for (const double num_actions : {1.0, 10.0})
      for (const double num_real : {1000.0, 5000.0, 20000.0}) {
        const BoundConstants c{.num_actions = num_actions, .sigma = sigma};
        const auto inner = best_real_ratio(c, num_real).inner_ratio;
        if (!inner || *inner > 0.02) continue;
        EXPECT_NEAR(estimated_inner_ratio(c, num_real).value() / *inner, 1.0, 0.05)
            << sigma << " " << num_actions << " " << num_real;
      }
  // in proportion to the number of real samples, but for logarithms
  const BoundConstants c;
  const double growth =
      estimated_inner_ratio(c, 2000).value() / estimated_inner_ratio(c, 1000).value();
  EXPECT_GT(growth, 1.9);
  EXPECT_LT(growth, 2.1);
  EXPECT_FALSE(estimated_inner_ratio({.p = 2.0}, 1000).has_value());
}

TEST(ReturnBoundTest, ImpossibleConstantsAreErrorsThatNameThem) {
  EXPECT_EQ(error_of({.gamma = 1}), "bound: gamma is 1; expected a number in (0, 1).");
  EXPECT_EQ(error_of({.concentrability = -1}), "bound: C is -1; expected a number >= 0.");
  EXPECT_EQ(error_of({.bellman_error = std::nan("")}), "bound: d is nan; expected a number >= 0.");
  EXPECT_EQ(error_of({.p = 0.5}), "bound: p is 0.5; expected a number >= 1.");
  EXPECT_EQ(error_of({.num_actions = 0}), "bound: |A| is 0; expected a number >= 1.");
  EXPECT_EQ(error_of({.num_iterations = 0}), "bound: K is 0; expected a number >= 1.");
  EXPECT_EQ(error_of({.delta = 1}), "bound: delta is 1; expected a number in (0, 1).");
  EXPECT_EQ(error_of({.sigma = -1}), "bound: sigma is -1; expected a number >= 0.");
  EXPECT_EQ(error_of({.v_max = -1}), "bound: Vmax is -1; expected a number >= 0.");
  EXPECT_EQ(error_of({.model_scale = -2}),
            "bound: a constant of O() is -2; expected a number >= 0.");
  EXPECT_EQ(error_of({.num_actions = 10}, 9),
            "bound: N_real is 9; expected at least |A|, one state.");
  EXPECT_EQ(error_of({}, 1000, 0.0), "bound: the real ratio is 0; expected a number in (0, 1].");
  EXPECT_EQ(error_of({.sigma = 0}),
            "bound: sigma, times its constant of O(), is 0; expected a number > 0: a perfect model "
            "needs no real samples.");
}

}  // namespace
}  // namespace mbrl
