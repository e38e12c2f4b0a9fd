// Tests for host/schedule/rollout_schedule.{h,cpp}.
#include "host/schedule/rollout_schedule.h"

#include <gtest/gtest.h>

#include <utility>

namespace mbrl {
namespace {

TEST(RolloutLengthTest, FollowsTheReferenceSchedule) {
  // Hopper: [20, 150, 1, 15], rounded down
  const std::vector<float> hopper{20, 150, 1, 15};
  const std::pair<int, int> first_epoch_of[] = {
      {0, 1},  {20, 1}, {29, 1}, {30, 2},   {39, 3},   {48, 4},   {58, 5},   {67, 6},
      {76, 7}, {85, 8}, {95, 9}, {104, 10}, {113, 11}, {123, 12}, {150, 15}, {400, 15}};
  for (const auto& [epoch, length] : first_epoch_of)
    EXPECT_EQ(rollout_length_at(hopper, epoch), length) << epoch;
  EXPECT_EQ(rollout_length_at(hopper, 38), 2);
  // Ant: [20, 100, 1, 25]
  EXPECT_EQ(rollout_length_at({20, 100, 1, 25}, 23), 1);
  EXPECT_EQ(rollout_length_at({20, 100, 1, 25}, 24), 2);
  EXPECT_EQ(rollout_length_at({20, 100, 1, 25}, 100), 25);
  // constant
  EXPECT_EQ(rollout_length_at({1, 15, 1, 1}, 7), 1);
}

TEST(RolloutLengthTest, TheLargestIsTheLargerEndOfTheSchedule) {
  Config c;
  EXPECT_EQ(max_rollout_length(c), 15);
  c.rollout.schedule = {0, 10, 6, 2};
  EXPECT_EQ(max_rollout_length(c), 6);
}

TEST(ModelReplayCapacityTest, HoldsTheRolloutsOfTheRetainedEpochs) {
  Config c;
  c.rollout.batch_size = 1000;
  c.rollout.retain_epochs = 2;
  c.loop.epoch_length = 600;
  c.loop.model_train_interval = 200;
  EXPECT_EQ(model_replay_capacity(c, 1), 2 * 3 * 1000u);
  EXPECT_EQ(model_replay_capacity(c, 5), 2 * 3 * 5000u);
  c.rollout.interval = 100;
  EXPECT_EQ(model_replay_capacity(c, 1), 2 * 6 * 1000u) << "rollouts of their own interval";
  c.rollout.interval = 900;
  EXPECT_EQ(model_replay_capacity(c, 1), 2 * 666u) << "rounded down epoch by epoch";
}

}  // namespace
}  // namespace mbrl
