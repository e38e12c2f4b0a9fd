// Tests for host/tune/autombpo/hyper_mdp.{h,cpp}: what a controller sees, does and is paid.
#include "host/tune/autombpo/hyper_mdp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/thread_pool.h"
#include "cuda/stream.h"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "host/config/fields.h"
#include "tests/support/configs.h"

namespace mbrl {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
using Heads = std::vector<std::string>;
const Heads kAllHeads{"real_ratio", "model", "updates", "rollout_length"};

HyperValues values(double real_ratio, bool fit_model, int updates, int rollout_length) {
  return {{"real_ratio", real_ratio},
          {"model", fit_model ? 1.0 : 0.0},
          {"updates", updates},
          {"rollout_length", rollout_length}};
}

TEST(SteeredHyperparametersTest, AreTheHeadsThatTheConfigMayName) {
  Heads names;
  for (const TunedHyperparameter& tuned : steered_hyperparameters({})) names.push_back(tuned.name);
  EXPECT_EQ(names, kAllHeads);
  for (const char* key : {"controller.heads", "controller.apply"})
    EXPECT_EQ(find_field(key)->choices, kAllHeads);
  EXPECT_EQ(num_options("model"), 2);
  for (const char* head : {"real_ratio", "updates", "rollout_length"})
    EXPECT_EQ(num_options(head), 3);
}

TEST(SteeredHyperparametersTest, AreThoseOfMbpoWithinItsRanges) {
  ThreadPool pool(1);
  Stream stream(pool);
  const Config config = tiny_mbpo("pendulum");
  const auto learner = make_learner(config, stream, {});
  std::vector<Hyperparameter> table = learner->hyperparameters();
  for (const TunedHyperparameter& tuned : steered_hyperparameters(config)) {
    const Hyperparameter& own = find_hyperparameter(table, tuned.key);
    EXPECT_GE(tuned.range.low, own.range.low) << tuned.key;
    EXPECT_LE(tuned.range.high, own.range.high) << tuned.key;
    EXPECT_EQ(tuned.change, own.change) << tuned.key;
  }
}

TEST(StartValuesTest, AreWhereThePaperStarts) {
  Config config;
  EXPECT_EQ(start_values(config), values(0.05, true, 10, 1));
  config.controller.max_updates_per_step = 7;
  config.rollout.schedule = {0, 10, 6, 2};
  EXPECT_EQ(start_values(config), values(0.05, true, 7, 6));
}

TEST(AfterDecisionTest, TheRealRatioIsMultipliedAndStaysWithinOne) {
  const Config config;
  const HyperValues v = values(0.5, true, 3, 4);
  EXPECT_NEAR(after_decision(v, "real_ratio", 0, config).at("real_ratio"), 0.5 / 1.2, 1e-7);
  EXPECT_EQ(after_decision(v, "real_ratio", 1, config), v);
  EXPECT_NEAR(after_decision(v, "real_ratio", 2, config).at("real_ratio"), 0.6, 1e-7);
  EXPECT_EQ(after_decision(values(0.9, true, 3, 4), "real_ratio", 2, config),
            values(1.0, true, 3, 4));
  // it has no lower end but zero
  HyperValues falling = v;
  for (int i = 0; i < 200; ++i) falling = after_decision(falling, "real_ratio", 0, config);
  EXPECT_GT(falling.at("real_ratio"), 0.0);
  EXPECT_NEAR(falling.at("real_ratio"), 0.5 * std::pow(1.2, -200), 1e-20);
}

TEST(AfterDecisionTest, OptionZeroOfTheModelFitsAndOptionOneDoesNot) {
  const Config config;
  for (const bool before : {false, true}) {
    EXPECT_EQ(after_decision(values(0.5, before, 3, 4), "model", 0, config),
              values(0.5, true, 3, 4));
    EXPECT_EQ(after_decision(values(0.5, before, 3, 4), "model", 1, config),
              values(0.5, false, 3, 4));
  }
}

TEST(AfterDecisionTest, UpdatesAndLengthsMoveByOneWithinTheirLimits) {
  Config config;
  config.controller.max_updates_per_step = 5;
  config.rollout.schedule = {0, 10, 1, 3};
  for (int value = 1; value <= 5; ++value)
    for (int option = 0; option < 3; ++option)
      EXPECT_EQ(after_decision(values(0.5, true, value, 1), "updates", option, config),
                values(0.5, true, std::min(std::max(value + option - 1, 1), 5), 1));
  for (int value = 1; value <= 3; ++value)
    for (int option = 0; option < 3; ++option)
      EXPECT_EQ(after_decision(values(0.5, true, 4, value), "rollout_length", option, config),
                values(0.5, true, 4, std::min(std::max(value + option - 1, 1), 3)));
}

TEST(HyperStateTest, FeaturesAreScaledInTheirOrder) {
  const Config config;
  const HyperMeasurements m{.samples = 0.25,
                            .model_loss = 0.004,
                            .critic_loss = 30,
                            .policy_change = 6,
                            .last_return = 1500};
  const std::vector<float> state = hyper_state(m, values(0.3, true, 15, 3), kAllHeads, config);
  const std::vector<float> wanted{0.25f, 0.4f, 0.3f, 0.6f, 0.5f, 0.3f, 0.75f, 0.2f};
  ASSERT_EQ(state.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_FLOAT_EQ(state[i], wanted[i]) << i;
  EXPECT_EQ(hyper_state_size(kAllHeads, config), 8);
}

TEST(HyperStateTest, EverythingIsClippedToTheUnitIntervalAndNanCountsAsZero) {
  const Config config;
  EXPECT_EQ(hyper_state({2, 1, 1e9, 1e3, 1e5}, values(3.0, true, 40, 99), kAllHeads, config),
            std::vector<float>(8, 1.0f));
  EXPECT_EQ(hyper_state({-1, -1, -1, -1, -500}, values(0, true, 0, 0), kAllHeads, config),
            std::vector<float>(8, 0.0f));
  const std::vector<float> state =
      hyper_state({kNan, kNan, kNan, kNan, kNan}, values(0.5, true, 10, 15), kAllHeads, config);
  EXPECT_EQ(state, (std::vector<float>{0, 0, 0, 0, 0, 0.5f, 0.5f, 1}));
}

TEST(HyperStateTest, HoldsTheChosenFeaturesAndTheValuesOfTheHeadsItSees) {
  Config config;
  config.controller.features = {"return", "values"};
  const HyperMeasurements m{0.25, 0.004, 30, 6, 1500};
  const HyperValues v = values(0.3, true, 5, 15);
  EXPECT_EQ(hyper_state(m, v, Heads{"real_ratio", "model"}, config),
            (std::vector<float>{0.5f, 0.3f}));
  EXPECT_EQ(hyper_state(m, v, Heads{"updates"}, config), (std::vector<float>{0.5f, 0.25f}));
  EXPECT_EQ(hyper_state(m, v, Heads{"model"}, config), std::vector<float>{0.5f});
  EXPECT_EQ(hyper_state_size(Heads{"updates", "rollout_length"}, config), 3);
  config.controller.features = {"critic_loss"};
  EXPECT_EQ(hyper_state(m, v, kAllHeads, config), std::vector<float>{0.3f});
}

TEST(HyperRewardTest, AFitCostsHalfThePenaltyAndNoneEarnsIt) {
  const ControllerConfig config;
  EXPECT_FLOAT_EQ(static_cast<float>(training_reward(true, config)), -0.05f);
  EXPECT_FLOAT_EQ(static_cast<float>(training_reward(false, config)), 0.05f);
  EXPECT_DOUBLE_EQ(evaluation_reward(1300, 1000, config), 1.0);
  EXPECT_DOUBLE_EQ(evaluation_reward(700, 1000, config), -1.0);
}

TEST(HyperRewardTest, AdvantagesAreUndiscountedSumsOfWhatFollows) {
  EXPECT_EQ(advantages({1, 2, -4, 0.5}), (std::vector<float>{-0.5f, -1.5f, -3.5f, 0.5f}));
  EXPECT_TRUE(advantages({}).empty());
  // summed in double
  EXPECT_EQ(advantages({1e9, 1, -1e9})[0], 1.0f);
}

TEST(ControllerGroupsTest, JointIsOneAndStagedAreThree) {
  ControllerConfig config;
  EXPECT_EQ(controller_groups(config), std::vector<Heads>{kAllHeads});
  config.stack = "staged";
  EXPECT_EQ(controller_groups(config),
            (std::vector<Heads>{Heads{"real_ratio", "model"}, {"updates"}, {"rollout_length"}}));
}

TEST(ControllerGroupsTest, HoldOnlyTheConfigsHeadsInTheirUsualOrder) {
  ControllerConfig config;
  config.heads = {"rollout_length", "model"};
  EXPECT_EQ(controller_groups(config), (std::vector<Heads>{Heads{"model", "rollout_length"}}));
  config.stack = "staged";
  EXPECT_EQ(controller_groups(config), (std::vector<Heads>{{"model"}, {"rollout_length"}}));
}

TEST(CenterTest, TakesTheMeanOfTheStageOrOfTheDecision) {
  const std::vector<std::vector<float>> given{{1, 2, 6}, {3, 8}};
  const auto centered = [&](const char* how) {
    std::vector<std::vector<float>> values = given;
    center(values, how);
    return values;
  };
  EXPECT_EQ(centered("none"), given);
  EXPECT_EQ(centered("stage"), (std::vector<std::vector<float>>{{-3, -2, 2}, {-1, 4}}));
  EXPECT_EQ(centered("decision"), (std::vector<std::vector<float>>{{-1, -3, 0}, {1, 3}}));
}

TEST(HeadsInTurnTest, AreThoseAppliedOfThisGroupAndTheGroupsBeforeIt) {
  ControllerConfig c;
  c.stack = "staged";
  EXPECT_EQ(heads_in_turn(c, 0), (Heads{"real_ratio", "model"}));
  EXPECT_EQ(heads_in_turn(c, 1), (Heads{"real_ratio", "model", "updates"}));
  EXPECT_EQ(heads_in_turn(c, 2), kAllHeads);
  c.apply = {"updates", "model"};
  EXPECT_EQ(heads_in_turn(c, 0), (Heads{"model"}));
  EXPECT_EQ(heads_in_turn(c, 2), (Heads{"model", "updates"}));
  c.stack = "joint";
  EXPECT_EQ(heads_in_turn(c, 0), (Heads{"model", "updates"}));
}

TEST(MayChangeLengthTest, AtTheFirstDecisionOfAnEpochWhereTheConfigSaysSo) {
  Config config;
  config.loop.epoch_length = 1000;
  config.controller.interval = 300;  // decisions at 0, 300, 600, 900, 1200, ...
  EXPECT_TRUE(may_change_length(300, config));
  config.autombpo.length_decisions = "epoch";
  for (const int steps : {0, 1200, 2100, 3000})
    EXPECT_TRUE(may_change_length(steps, config)) << steps;
  for (const int steps : {300, 900, 1500, 1800})
    EXPECT_FALSE(may_change_length(steps, config)) << steps;
}

}  // namespace
}  // namespace mbrl
