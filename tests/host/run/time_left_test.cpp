// Tests for host/run/time_left.{h,cpp}.
#include "host/run/time_left.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/support/configs.h"

namespace mbrl {
namespace {

// What a run costs, and when: steps after exploration, fits in proportion to their rows.
struct Costs {
  double explore = 0.001, step = 0.07, fit_row = 0.002, evaluation = 5.0, checkpoint = 2.0;
};

class TimeLeftTest : public testing::Test {
 protected:
  TimeLeftTest() {
    config_.env.name = "hopper";
    config_.loop.num_env_steps = 125000;
    config_.loop.num_exploration_steps = 5000;
    config_.loop.model_train_interval = 250;
    config_.loop.replay_capacity = 1000000;
    config_.eval.interval = 1000;
    config_.checkpoint.interval = 10000;
    // fits of a constant number of epochs, as `Costs` has them
    config_.model.max_epochs = 20;
  }

  // walks through a run from step `from` on; on_step(step, seconds so far) after every step
  template <typename OnStep>
  double walk(TimeLeft& left, const Costs& costs, std::int64_t from, OnStep&& on_step) {
    double seconds = 0.0;
    std::size_t num_fits = 0;
    const auto epochs = [&](std::size_t fit) {
      return epochs_.empty() ? 20.0 : fit < epochs_.size() ? epochs_[fit] : epochs_.back();
    };
    const auto pass = [&](const char* stage, double cost, std::int64_t step) {
      left.add(stage, cost, step);
      seconds += cost;
    };
    const std::int64_t explored = config_.loop.num_exploration_steps;
    for (std::int64_t step = from; step < config_.loop.num_env_steps;) {
      if (step < explored) {
        pass("explore", costs.explore, step);
      } else {
        if ((step - explored) % config_.loop.model_train_interval == 0) {
          const double rows =
              static_cast<double>(std::min<std::int64_t>(step, config_.loop.replay_capacity));
          pass("model_fit", costs.fit_row * rows * epochs(num_fits++) / 20.0, step);
          pass("rollout", 0.5, step);
        }
        pass("env_step", 0.001, step);
        pass("sac", costs.step, step);
      }
      ++step;
      left.at(step, step < explored);
      on_step(step, seconds);
      const bool last = step == config_.loop.num_env_steps;
      if (last || (step > explored && (step - explored) % config_.eval.interval == 0))
        pass("eval", costs.evaluation, step);
      if (last || (config_.checkpoint.interval > 0 && step % config_.checkpoint.interval == 0))
        pass("checkpoint", costs.checkpoint, step);
    }
    return seconds;
  }

  // the worst of estimate / truth and its inverse, from a minute after exploration to the last
  // minute
  double worst_ratio(const Costs& costs, std::int64_t from = 0) {
    TimeLeft timing(config_);
    const double total = walk(timing, costs, from, [](auto...) {});
    EXPECT_NEAR(timing.seconds(), 0.0, 1e-9) << "at the end";
    TimeLeft left(config_);
    double worst = 1.0, trained_at = -1.0;
    walk(left, costs, from, [&](std::int64_t step, double seconds) {
      if (step <= config_.loop.num_exploration_steps) return;
      if (trained_at < 0.0) trained_at = seconds;
      if (seconds < trained_at + 60.0 || seconds > total - 60.0) return;
      const double ratio = left.seconds() / (total - seconds);
      EXPECT_FALSE(std::isnan(ratio)) << step;
      worst = std::max(worst, std::max(ratio, 1.0 / ratio));
    });
    return worst;
  }

  Config config_;
  std::vector<double> epochs_;  // of each fit, the last for all that follow; empty: 20
};

TEST_F(TimeLeftTest, IsWithinATenthFromTheFirstMinuteAfterExploration) {
  EXPECT_LT(worst_ratio({}), 1.1);
  EXPECT_LT(worst_ratio({.step = 0.2, .fit_row = 0.0005}), 1.1);
  EXPECT_LT(worst_ratio({.step = 0.002, .fit_row = 0.001}), 1.1) << "fits are nearly all of it";
}

// epochs of the fits of a run of Hopper, whose fits nothing bounds
TEST_F(TimeLeftTest, TheLongFirstFitsAreNoMeasureOfThoseToCome) {
  epochs_ = {479, 103, 40, 35, 35, 38, 31, 21, 11, 15, 19, 13, 20};
  config_.model.max_epochs = 0;
  EXPECT_LT(worst_ratio({.step = 0.13, .fit_row = 0.001}), 1.3);
  // a run that goes on has them behind it
  epochs_ = {20};
  EXPECT_LT(worst_ratio({.step = 0.13, .fit_row = 0.001}, 60000), 1.1);
}

// a fit before each trial, in proportion to what the trials before it have shown
TEST_F(TimeLeftTest, TrialsBeginWithFitsOfAllThatIsKnown) {
  config_.algorithm = "pets";
  config_.loop.num_env_steps = 60000;
  config_.loop.epoch_length = config_.loop.model_train_interval = 1000;
  config_.loop.num_exploration_steps = 1000;
  EXPECT_LT(worst_ratio({.step = 0.05, .fit_row = 0.002, .evaluation = 0.0}), 1.1);
  EXPECT_LT(worst_ratio({.step = 0.005, .fit_row = 0.002, .evaluation = 0.0}, 30000), 1.1);
}

TEST_F(TimeLeftTest, AFullReplayEndsTheGrowthOfFits) {
  config_.loop.replay_capacity = 20000;
  EXPECT_LT(worst_ratio({}), 1.1);
}

TEST_F(TimeLeftTest, AResumedRunTellsAsWell) { EXPECT_LT(worst_ratio({}, 60000), 1.1); }

TEST_F(TimeLeftTest, EvaluationsAndCheckpointsCount) {
  EXPECT_LT(worst_ratio({.step = 0.005, .fit_row = 0.00002, .evaluation = 60.0}), 1.3);
  config_.eval.interval = 5000;
  config_.checkpoint.interval = 1000;
  EXPECT_LT(worst_ratio({.step = 0.005, .fit_row = 0.00002, .checkpoint = 60.0}), 1.3);
}

TEST_F(TimeLeftTest, AnAlgorithmWithoutAModelWaitsForNoFit) {
  config_.algorithm = "sac";
  TimeLeft left(config_);
  left.at(5000, false);
  left.add("env_step", 0.01, 5000);
  left.add("sac", 0.09, 5000);
  left.at(5001, false);
  EXPECT_NEAR(left.seconds(), 0.1 * (125000 - 5001), 1e-6);
}

TEST_F(TimeLeftTest, NothingIsKnownWhileItExplores) {
  TimeLeft left(config_);
  EXPECT_TRUE(std::isnan(left.seconds()));
  for (int step = 1; step < 100; ++step) {
    left.add("explore", 0.001, step - 1);
    left.at(step, true);
    EXPECT_TRUE(std::isnan(left.seconds()));
  }
}

// A schedule that lets later steps cost twice as much is followed within some minutes.
TEST_F(TimeLeftTest, WhatWasLongAgoCountsForLess) {
  config_.algorithm = "sac";
  TimeLeft left(config_);
  left.at(5000, false);
  const auto train = [&](int from, int to, double cost) {
    for (int step = from; step < to; ++step) {
      left.add("sac", cost, step);
      left.at(step + 1, false);
    }
  };
  train(5000, 20000, 0.1);
  train(20000, 20000 + 1500, 0.2);  // five minutes
  EXPECT_NEAR(left.seconds() / (0.2 * (125000 - 21500)), 1.0, 0.1);
}

}  // namespace
}  // namespace mbrl
