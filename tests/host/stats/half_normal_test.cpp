// Tests for host/stats/half_normal.{h,cpp}.
//
// Values of scipy: scipy.stats.halfnorm(scale=sigma).pdf and .cdf, halfnorm.fit(values, floc=0) and
// kstest(values, halfnorm(scale=sigma).cdf).statistic, scipy 1.17.1.
#include "host/stats/half_normal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/networks/initialize.h"

namespace mbrl {
namespace {

using testing::ElementsAre;
using Values = std::vector<double>;

TEST(HalfNormalTest, DensityAndShareAgreeWithScipy) {
  EXPECT_NEAR(half_normal_density(0.9, 0.7), 0.4987516408040004, 1e-13);
  EXPECT_NEAR(half_normal_share(0.9, 0.7), 0.8014572063133379, 1e-13);
  EXPECT_EQ(half_normal_share(0.0, 0.7), 0.0);
}

TEST(HalfNormalTest, FitByHand) {
  // root of (9 + 16) / 2; the largest distance is before the first value, where none lies below
  const HalfNormalFit fit = fit_half_normal(Values{4, 3});
  EXPECT_NEAR(fit.sigma, std::sqrt(12.5), 1e-14);
  EXPECT_NEAR(fit.distance, std::erf(3.0 / 5.0), 1e-14) << "erf(3 / (sigma sqrt 2)) at 3";
}

TEST(HalfNormalTest, FitAgreesWithScipy) {
  const HalfNormalFit fit = fit_half_normal(Values{0.31, 0.05, 1.7, 0.92, 0.44, 0.13, 2.4, 0.66});
  EXPECT_NEAR(fit.sigma, 1.1314316152556458, 1e-13);
  EXPECT_NEAR(fit.distance, 0.19735911583509758, 1e-13);
}

TEST(HalfNormalTest, TheDistanceTellsHalfNormalErrorsFromOthers) {
  const RandomKey key{1, purpose::kInit, 0};
  Values half_normal, shifted;
  for (std::uint32_t i = 0; i < 10000; ++i) {
    half_normal.push_back(2.0 * std::abs(static_cast<double>(normal(key, 0, i, 0))));
    shifted.push_back(std::abs(4.0 + static_cast<double>(normal(key, 0, i, 1))));
  }
  const HalfNormalFit good = fit_half_normal(half_normal), bad = fit_half_normal(shifted);
  EXPECT_NEAR(good.sigma, 2.0, 0.05);
  EXPECT_LT(good.distance, 1.6 / std::sqrt(10000.0)) << "what chance leaves in 99 of 100 samples";
  EXPECT_GT(bad.distance, 0.3);
}

TEST(HalfNormalTest, AHistogramCountsEveryValueOnce) {
  const Histogram h = histogram(Values{0, 0.5, 1, 1.9, 2, 3.5, 4, 4.1}, 4.0, 4);
  EXPECT_THAT(h.edges, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(h.counts, ElementsAre(2, 2, 1, 1));
  EXPECT_EQ(h.num_above, 2) << "bins leave out their right edge";
}

TEST(HalfNormalTest, ImpossibleErrorsAreErrors) {
  const auto error = [](const Values& values) -> std::string {
    try {
      fit_half_normal(values);
    } catch (const DataError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(error({}), "half-normal fit: there are no errors to fit.");
  EXPECT_EQ(error({1, -1}), "half-normal fit: an error is -1; expected a finite length.");
  EXPECT_EQ(error({1, std::nan("")}),
            "half-normal fit: an error is nan; expected a finite length.");
  EXPECT_EQ(error({0, 0}), "half-normal fit: all 2 errors are 0.");
}

}  // namespace
}  // namespace mbrl
