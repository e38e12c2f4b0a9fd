// Tests for host/tune/autombpo/hyper_mdp.{h,cpp}: what a controller sees, does and is paid, by hand.
#include "host/tune/autombpo/hyper_mdp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace mbrl {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const std::vector<Head> kAllHeads{Head::kRealRatio, Head::kModel, Head::kUpdates,
                                  Head::kRolloutLength};

TEST(HeadTest, NamesAndOptions) {
  for (const Head head : kAllHeads) EXPECT_EQ(head_of(head_name(head)), head);
  EXPECT_EQ(head_of("updates"), Head::kUpdates);
  EXPECT_EQ(num_options(Head::kModel), 2);
  for (const Head head : {Head::kRealRatio, Head::kUpdates, Head::kRolloutLength})
    EXPECT_EQ(num_options(head), 3);
}

TEST(HyperValuesTest, StartWhereThePaperStarts) {
  Config config;
  const HyperValues start = start_values(config);
  EXPECT_EQ(start.real_ratio, 0.05f);
  EXPECT_TRUE(start.fit_model);
  EXPECT_EQ(start.updates_per_step, 10);
  EXPECT_EQ(start.rollout_length, 1);

  config.controller.max_updates_per_step = 7;
  config.rollout.schedule = {0, 10, 6, 2};
  EXPECT_EQ(start_values(config).updates_per_step, 7);
  EXPECT_EQ(start_values(config).rollout_length, 6);
}

TEST(HyperValuesTest, TheRealRatioIsMultipliedAndStaysWithinOne) {
  const Config config;
  const HyperValues v{
      .real_ratio = 0.5, .fit_model = true, .updates_per_step = 3, .rollout_length = 4};
  EXPECT_NEAR(decided(v, Head::kRealRatio, 0, config).real_ratio, 0.5 / 1.2, 1e-7);
  EXPECT_EQ(decided(v, Head::kRealRatio, 1, config).real_ratio, 0.5);
  EXPECT_NEAR(decided(v, Head::kRealRatio, 2, config).real_ratio, 0.6, 1e-7);
  EXPECT_EQ(decided({0.9, true, 3, 4}, Head::kRealRatio, 2, config).real_ratio, 1.0);
  // it has no lower end but zero
  HyperValues falling = v;
  for (int i = 0; i < 200; ++i) falling = decided(falling, Head::kRealRatio, 0, config);
  EXPECT_GT(falling.real_ratio, 0.0);
  EXPECT_NEAR(falling.real_ratio, 0.5 * std::pow(1.2, -200), 1e-20);
}

TEST(HyperValuesTest, OptionZeroOfTheModelFitsAndOptionOneDoesNot) {
  const Config config;
  for (const bool before : {false, true}) {
    const HyperValues v{0.5, before, 3, 4};
    EXPECT_TRUE(decided(v, Head::kModel, 0, config).fit_model);
    EXPECT_FALSE(decided(v, Head::kModel, 1, config).fit_model);
  }
}

TEST(HyperValuesTest, UpdatesAndLengthsMoveByOneWithinTheirLimits) {
  Config config;
  config.controller.max_updates_per_step = 5;
  config.rollout.schedule = {0, 10, 1, 3};
  for (int value = 1; value <= 5; ++value)
    for (int option = 0; option < 3; ++option) {
      const HyperValues v = decided({0.5, true, value, 1}, Head::kUpdates, option, config);
      EXPECT_EQ(v.updates_per_step, std::min(std::max(value + option - 1, 1), 5));
      EXPECT_EQ(v.rollout_length, 1);
    }
  for (int value = 1; value <= 3; ++value)
    for (int option = 0; option < 3; ++option) {
      const HyperValues v = decided({0.5, true, 4, value}, Head::kRolloutLength, option, config);
      EXPECT_EQ(v.rollout_length, std::min(std::max(value + option - 1, 1), 3));
      EXPECT_EQ(v.updates_per_step, 4);
      EXPECT_EQ(v.real_ratio, 0.5);
    }
}

TEST(HyperStateTest, FeaturesAreScaledInTheirOrder) {
  const Config config;
  const HyperMeasurements m{.samples = 0.25,
                            .model_loss = 0.004,
                            .critic_loss = 30,
                            .policy_change = 6,
                            .last_return = 1500};
  const std::vector<float> state = hyper_state(m, {0.3, true, 15, 3}, kAllHeads, config);
  const std::vector<float> wanted{0.25f, 0.4f, 0.3f, 0.6f, 0.5f, 0.3f, 0.75f, 0.2f};
  ASSERT_EQ(state.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_FLOAT_EQ(state[i], wanted[i]) << i;
  EXPECT_EQ(hyper_state_size(kAllHeads, config), 8);
}

TEST(HyperStateTest, EverythingIsClippedToTheUnitIntervalAndNanCountsAsZero) {
  const Config config;
  EXPECT_EQ(hyper_state({2, 1, 1e9, 1e3, 1e5}, {3.0, true, 40, 99}, kAllHeads, config),
            std::vector<float>(8, 1.0f));
  EXPECT_EQ(hyper_state({-1, -1, -1, -1, -500}, {0, true, 0, 0}, kAllHeads, config),
            std::vector<float>(8, 0.0f));
  const std::vector<float> state =
      hyper_state({kNan, kNan, kNan, kNan, kNan}, {0.5, true, 10, 15}, kAllHeads, config);
  EXPECT_EQ(state, (std::vector<float>{0, 0, 0, 0, 0, 0.5f, 0.5f, 1}));
}

TEST(HyperStateTest, HoldsTheChosenFeaturesAndTheValuesOfTheHeadsItSees) {
  Config config;
  config.controller.features = {"return", "values"};
  const HyperMeasurements m{0.25, 0.004, 30, 6, 1500};
  const HyperValues v{0.3, true, 5, 15};
  EXPECT_EQ(hyper_state(m, v, {Head::kRealRatio, Head::kModel}, config),
            (std::vector<float>{0.5f, 0.3f}));
  EXPECT_EQ(hyper_state(m, v, {Head::kUpdates}, config), (std::vector<float>{0.5f, 0.25f}));
  EXPECT_EQ(hyper_state(m, v, {Head::kModel}, config), std::vector<float>{0.5f});
  EXPECT_EQ(hyper_state_size({Head::kUpdates, Head::kRolloutLength}, config), 3);
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
  EXPECT_EQ(controller_groups(config), std::vector<std::vector<Head>>{kAllHeads});
  config.stack = "staged";
  EXPECT_EQ(controller_groups(config),
            (std::vector<std::vector<Head>>{
                {Head::kRealRatio, Head::kModel}, {Head::kUpdates}, {Head::kRolloutLength}}));
}

TEST(ControllerGroupsTest, HoldOnlyTheConfigsHeadsInTheirUsualOrder) {
  ControllerConfig config;
  config.heads = {"rollout_length", "model"};
  EXPECT_EQ(controller_groups(config),
            (std::vector<std::vector<Head>>{{Head::kModel, Head::kRolloutLength}}));
  config.stack = "staged";
  EXPECT_EQ(controller_groups(config),
            (std::vector<std::vector<Head>>{{Head::kModel}, {Head::kRolloutLength}}));
}

TEST(SteeredConfigTest, TakesTheControllersRolloutsAndIsMbpo) {
  Config config;
  config.algorithm = "autombpo";
  config.controller.rollout_interval = 50;
  config.controller.rollout_batch_size = 700;
  const Config steered = steered_config(config);
  EXPECT_EQ(steered.algorithm, "mbpo");
  EXPECT_EQ(steered.rollout.interval, 50);
  EXPECT_EQ(steered.rollout.batch_size, 700);
  EXPECT_EQ(steered.rollout.schedule, config.rollout.schedule);
  EXPECT_EQ(steered.loop.real_ratio, config.loop.real_ratio);
}

}  // namespace
}  // namespace mbrl
