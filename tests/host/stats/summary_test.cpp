// Tests for host/stats/summary.{h,cpp}.
#include "host/stats/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

using Values = std::vector<double>;

TEST(SummaryTest, MeanAndSampleDeviationByHand) {
  EXPECT_EQ(mean_of(Values{1, 3, 5}), 3.0);
  EXPECT_EQ(sample_std(Values{1, 3, 5}), 2.0);
  EXPECT_EQ(sample_std(Values{7}), 0.0);
  EXPECT_EQ(sample_std(Values{0.1, 0.1, 0.1}), 0.0) << "their mean rounds to more than 0.1";
}

TEST(SummaryTest, InterquartileMeanCutsAQuarterFromEachEnd) {
  EXPECT_EQ(interquartile_mean(Values{100, 1, 2, -50}), 1.5);
  EXPECT_EQ(interquartile_mean(Values{1, 2, 9}), 4.0) << "a quarter of 3 is no whole value";
  // scipy.stats.trim_mean(values, 0.25) of scipy 1.17.1
  EXPECT_EQ(interquartile_mean(Values{5, 1, 9, 2, 40, 3, 7, 8, 4, 6}), 5.5);
}

TEST(SummaryTest, QuantilesAreLinearBetweenValues) {
  const Values values{5, 1, 9, 2, 40, 3, 7, 8, 4, 6};
  EXPECT_EQ(quantile(values, 0.0), 1.0);
  EXPECT_EQ(quantile(values, 1.0), 40.0);
  // numpy.quantile(values, [0.1, 0.33, 0.975])
  EXPECT_NEAR(quantile(values, 0.1), 1.9, 1e-12);
  EXPECT_NEAR(quantile(values, 0.33), 3.97, 1e-12);
  EXPECT_NEAR(quantile(values, 0.975), 33.025, 1e-12);
}

TEST(SummaryTest, BootstrapIntervalAgreesWithScipys) {
  // scipy.stats.bootstrap((values,), numpy.mean, n_resamples=1000000, method="percentile") of scipy
  // 1.17.1: 2775.45, 3207.2. At 10,000 resamples its ends scatter by about 3
  const Interval interval = bootstrap_mean(Values{3012.5, 2875, 3190.25, 2604, 3321.5});
  EXPECT_NEAR(interval.low, 2775.45, 10.0);
  EXPECT_NEAR(interval.high, 3207.2, 10.0);
}

TEST(SummaryTest, BootstrapMeansOfTwoValuesAreThreeByHand) {
  // means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4: quantiles 0.2 and 0.8 are the ends
  const Interval wide = bootstrap_mean(Values{0, 1}, {.confidence = 0.6, .num_resamples = 2000});
  EXPECT_EQ(wide.low, 0.0);
  EXPECT_EQ(wide.high, 1.0);
  const Interval narrow = bootstrap_mean(Values{0, 1}, {.confidence = 0.4, .num_resamples = 2000});
  EXPECT_EQ(narrow.low, 0.5);
  EXPECT_EQ(narrow.high, 0.5);
}

TEST(SummaryTest, BootstrapRepeatsItselfAndFollowsItsSeed) {
  const Values values{3012.5, 2875, 3190.25, 2604, 3321.5, 2222, 2801};
  const Interval first = bootstrap_mean(values), again = bootstrap_mean(values),
                 other = bootstrap_mean(values, {.seed = 1});
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_NE(first.low, other.low);
}

TEST(SummaryTest, NoValuesAndValuesThatAreNotFiniteAreErrors) {
  EXPECT_THROW(summarize(Values{}), DataError);
  try {
    summarize(Values{1, std::nan(""), 3});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "statistics: value 1 of 3 is nan; expected a finite number.");
  }
}

TEST(SummaryTest, SummaryIsItsParts) {
  const Values values{1, 2, 3, 10};
  const Summary summary = summarize(values);
  EXPECT_EQ(summary.count, 4);
  EXPECT_EQ(summary.mean, 4.0);
  EXPECT_EQ(summary.std, sample_std(values));
  EXPECT_EQ(summary.interquartile_mean, 2.5);
  EXPECT_LT(summary.interval.low, 4.0);
  EXPECT_GT(summary.interval.high, 4.0);
}

}  // namespace
}  // namespace mbrl
