// Tests for host/stats/scores.{h,cpp}.
//
// Values of scipy and rliable: statistics_values.csv of MBRL_SOURCE_DIR/tests/golden, by
// make_statistics.py.
#include "host/stats/scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "host/stats/welch.h"
#include "tests/support/statistics_values.h"

namespace mbrl {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

// the arms of tests/golden/statistics_scores.csv, in its order
const std::vector<std::pair<std::string, TaskScores>>& example_arms() {
  static const auto kArms = [] {
    std::vector<std::pair<std::string, TaskScores>> arms;
    std::string task;
    for (const auto& row : golden_rows("statistics_scores.csv")) {
      if (arms.empty() || arms.back().first != row[0]) {
        arms.push_back({row[0], {}});
        task = "";
      }
      if (row[1] != task) arms.back().second.emplace_back();
      task = row[1];
      arms.back().second.back().push_back(std::stod(row[2]));
    }
    return arms;
  }();
  return kArms;
}

void expect_interval(const Interval& found, const std::string& name, double tolerance) {
  EXPECT_NEAR(found.low, golden_value(name + "/low"), tolerance) << name;
  EXPECT_NEAR(found.high, golden_value(name + "/high"), tolerance) << name;
}

TEST(ScoresTest, AggregatesEqualRliables) {
  ASSERT_EQ(example_arms().size(), 3u);
  for (const auto& [name, scores] : example_arms()) {
    ASSERT_EQ(scores.size(), 3u);
    const Aggregates all = aggregates_of(scores);
    EXPECT_NEAR(all.mean, golden_value(name + "/mean"), 1e-14);
    EXPECT_NEAR(all.median, golden_value(name + "/median"), 1e-14);
    EXPECT_NEAR(all.interquartile_mean, golden_value(name + "/iqm"), 1e-14);
  }
}

// 10,000 samples of ours and 20,000 of rliable's: the ends scatter by less than 0.003 here
TEST(ScoresTest, StratifiedIntervalsAgreeWithRliables) {
  for (const auto& [name, scores] : example_arms()) {
    const AggregateIntervals intervals = bootstrap_aggregates(scores);
    expect_interval(intervals.mean, name + "/mean", 0.006);
    expect_interval(intervals.median, name + "/median", 0.01);
    expect_interval(intervals.interquartile_mean, name + "/iqm", 0.006);
  }
}

TEST(ScoresTest, ImprovementEqualsRliables) {
  const auto& [first, baseline] = example_arms().front();
  for (std::size_t i = 1; i < example_arms().size(); ++i) {
    const auto& [name, scores] = example_arms()[i];
    EXPECT_NEAR(probability_of_improvement(scores, baseline), golden_value(name + "/improvement"),
                1e-14);
    EXPECT_NEAR(
        probability_of_improvement(scores, baseline) + probability_of_improvement(baseline, scores),
        1.0, 1e-14);
    expect_interval(bootstrap_improvement(scores, baseline), name + "/improvement", 0.02);
  }
}

TEST(ScoresTest, ProfilesEqualRliables) {
  const std::vector<double> thresholds{-0.1, 0.0, 0.25, 0.4, 0.5, 0.75, 1.0, 1.3};
  for (const auto& [name, scores] : example_arms()) {
    const std::vector<double> profile = performance_profile(scores, thresholds);
    const std::vector<Interval> bands = bootstrap_profile(scores, thresholds);
    for (std::size_t i = 0; i < thresholds.size(); ++i) {
      const std::string key = name + "/profile/" + std::to_string(i);
      EXPECT_NEAR(profile[i], golden_value(key), 1e-14) << key;
      // shares are multiples of 1/15: an end may fall on a neighbor
      expect_interval(bands[i], key, 1.0 / 15 + 1e-9);
    }
  }
}

TEST(ScoresTest, WelchAndHolmEqualScipysOverAllTests) {
  const TaskScores& baseline = example_arms().front().second;
  std::vector<double> p;
  for (std::size_t i = 1; i < example_arms().size(); ++i)
    for (std::size_t task = 0; task < baseline.size(); ++task) {
      const auto& [name, scores] = example_arms()[i];
      p.push_back(welch_test(name, scores[task], "first", baseline[task]).p);
      EXPECT_NEAR(p.back(), golden_value(name + "/welch/" + std::to_string(task)), 1e-12);
    }
  const std::vector<double> adjusted = holm_adjusted(p);
  for (std::size_t i = 0; i < p.size(); ++i)
    EXPECT_NEAR(adjusted[i], golden_value("holm/" + std::to_string(i)), 1e-12);
}

TEST(ScoresTest, HolmByHand) {
  // .01 * 3, then .03 * 2, then .04 * 1, which may not be below .06
  EXPECT_THAT(
      holm_adjusted(std::vector{0.04, 0.01, 0.03}),
      ElementsAre(DoubleNear(0.06, 1e-15), DoubleNear(0.03, 1e-15), DoubleNear(0.06, 1e-15)));
  EXPECT_THAT(holm_adjusted(std::vector{0.9, 0.6}), ElementsAre(1.0, 1.0));
  EXPECT_TRUE(holm_adjusted({}).empty());
}

TEST(ScoresTest, OneTaskIsItsRuns) {
  const TaskScores scores{{1, 2, 3, 10}};
  const Aggregates all = aggregates_of(scores);
  EXPECT_EQ(all.mean, 4.0);
  EXPECT_EQ(all.median, 2.5) << "of the runs, where rliable's would be the one task's mean";
  EXPECT_EQ(all.interquartile_mean, 2.5);
  const Interval mean = bootstrap_mean(scores[0]), same = bootstrap_aggregates(scores).mean;
  EXPECT_EQ(mean.low, same.low);
  EXPECT_EQ(mean.high, same.high);
}

TEST(ScoresTest, TiesCountHalf) {
  EXPECT_EQ(probability_of_improvement({{1, 2}}, {{1, 2}}), 0.5);
  EXPECT_EQ(probability_of_improvement({{2}}, {{1, 2, 3, 2}}), 0.5);
  // 1 and 0 of the two tasks, which weigh the same whatever their runs
  EXPECT_EQ(probability_of_improvement({{5}, {0, 0, 0}}, {{1, 2}, {3}}), 0.5);
}

TEST(ScoresTest, AProfileIsStrictlyAbove) {
  EXPECT_THAT(performance_profile({{1, 2}, {2, 3}}, std::vector{0.5, 1.0, 2.0, 3.0}),
              ElementsAre(1.0, 0.75, 0.25, 0.0));
}

TEST(ScoresTest, WhatHasNoScoresIsAnError) {
  EXPECT_THROW(aggregates_of({}), DataError);
  EXPECT_THROW(aggregates_of({{1}, {}}), DataError);
  EXPECT_THROW(performance_profile({{std::nan("")}}, std::vector{1.0}), DataError);
  EXPECT_THROW(probability_of_improvement({{1}}, {{1}, {2}}), ShapeError);
  EXPECT_THROW(median_of({}), DataError);
}

}  // namespace
}  // namespace mbrl
