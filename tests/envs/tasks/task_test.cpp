// Tests for envs/tasks: reward and end rules on hand cases, limits and NaN.
#include "envs/tasks/task.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "envs/tasks/pendulum.h"

namespace mbrl {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

bool ends(TaskId task, std::vector<float> observation) {
  return task_terminated(task, observation.data());
}
std::vector<float> upright(int index = 0, float value = 1.25f) {
  std::vector<float> o(11, 0.0f);
  o[0] = 1.25f;
  o[static_cast<std::size_t>(index)] = value;
  return o;
}

TEST(HopperTaskTest, FallsBelowSeventyCentimetresOrBeyondAFifthOfARadian) {
  EXPECT_FALSE(ends(TaskId::kHopper, upright()));
  EXPECT_TRUE(ends(TaskId::kHopper, upright(0, 0.7f)));
  EXPECT_FALSE(ends(TaskId::kHopper, upright(0, 0.7001f)));
  EXPECT_TRUE(ends(TaskId::kHopper, upright(1, 0.2f)));
  EXPECT_TRUE(ends(TaskId::kHopper, upright(1, -0.2f)));
  EXPECT_FALSE(ends(TaskId::kHopper, upright(1, -0.1999f)));
}

TEST(HopperTaskTest, EntriesBeyondAHundredOnEitherSideEndIt) {
  for (int i = 2; i < 11; ++i) {
    EXPECT_FALSE(ends(TaskId::kHopper, upright(i, 99.9f)));
    EXPECT_TRUE(ends(TaskId::kHopper, upright(i, 100.0f)));
    EXPECT_TRUE(ends(TaskId::kHopper, upright(i, -100.0f)));
  }
  EXPECT_FALSE(ends(TaskId::kHopper, upright(0, 150.0f))) << "height has no upper bound";
}

TEST(HopperTaskTest, NanAndInfinityEndIt) {
  for (int i = 0; i < 11; ++i) {
    EXPECT_TRUE(ends(TaskId::kHopper, upright(i, kNan))) << i;
    EXPECT_TRUE(ends(TaskId::kHopper, upright(i, kInf))) << i;
  }
}

TEST(HopperTaskTest, Reward) {
  EXPECT_DOUBLE_EQ(hopper_reward(0.016, 0.008, 2.0), 2.0 + 1.0 - 0.002);
}

TEST(InvertedPendulumTaskTest, LeaningByMoreThanAFifthOfARadianEndsIt) {
  EXPECT_FALSE(ends(TaskId::kInvertedPendulum, {5.0f, 0.2f, 0.0f, 9.0f}));
  EXPECT_TRUE(ends(TaskId::kInvertedPendulum, {5.0f, 0.2001f, 0.0f, 9.0f}));
  EXPECT_TRUE(ends(TaskId::kInvertedPendulum, {5.0f, -0.2001f, 0.0f, 9.0f}));
  for (std::size_t i = 0; i < 4; ++i) {
    for (const float bad : {kNan, kInf}) {
      std::vector<float> o(4, 0.0f);
      o[i] = bad;
      EXPECT_TRUE(ends(TaskId::kInvertedPendulum, o)) << i;
    }
  }
}

TEST(CartpoleTaskTest, LeavingTheTrackOrTwelveDegreesEndsIt) {
  EXPECT_FALSE(ends(TaskId::kCartpole, {2.39f, 9.0f, 0.209f, 9.0f}));
  EXPECT_TRUE(ends(TaskId::kCartpole, {2.41f, 0.0f, 0.0f, 0.0f}));
  EXPECT_TRUE(ends(TaskId::kCartpole, {-2.41f, 0.0f, 0.0f, 0.0f}));
  EXPECT_TRUE(ends(TaskId::kCartpole, {0.0f, 0.0f, -0.21f, 0.0f}));
  EXPECT_TRUE(ends(TaskId::kCartpole, {kNan, 0.0f, 0.0f, 0.0f}));
}

TEST(PendulumTaskTest, NeverEndsAndCostsAngleRateAndTorque) {
  EXPECT_FALSE(ends(TaskId::kPendulum, {kNan, 0.0f, 0.0f}));
  EXPECT_DOUBLE_EQ(pendulum_reward(2.0, 3.0, 1.0), -(4.0 + 0.9 + 0.001));
}

std::vector<float> walking(std::size_t size, std::size_t index = 0, float value = 0.0f) {
  std::vector<float> o(size, 0.0f);
  o[2] = 1.0f;
  o[index] = value;
  return o;
}

TEST(BulletLocomotionTaskTest, WalkersFallAtEightyCentimetresOrOneRadian) {
  for (const auto& [task, size] : {std::pair(TaskId::kHopperBullet, std::size_t{15}),
                                   std::pair(TaskId::kWalker2dBullet, std::size_t{22})}) {
    EXPECT_FALSE(ends(task, walking(size)));
    EXPECT_FALSE(ends(task, walking(size, 0, -0.4499f)));
    EXPECT_TRUE(ends(task, walking(size, 0, -0.4501f)));
    EXPECT_FALSE(ends(task, walking(size, 0, 4.0f))) << "height has no upper bound";
    EXPECT_FALSE(ends(task, walking(size, 7, 0.9999f)));
    EXPECT_FALSE(ends(task, walking(size, 7, -0.9999f)));
    EXPECT_TRUE(ends(task, walking(size, 7, 1.0f)));
    EXPECT_TRUE(ends(task, walking(size, 7, -1.0f)));
  }
  EXPECT_TRUE(bullet_walker_fallen(0.8, 0.0));
  EXPECT_FALSE(bullet_walker_fallen(0.8000001, 0.0));
}

TEST(BulletLocomotionTaskTest, EntriesThatAreNotFiniteEndWalkersEpisodes) {
  for (const float bad : {kNan, kInf, -kInf}) {
    for (std::size_t i = 0; i < 15; ++i)
      EXPECT_TRUE(ends(TaskId::kHopperBullet, walking(15, i, bad))) << i;
    for (std::size_t i = 0; i < 22; ++i)
      EXPECT_TRUE(ends(TaskId::kWalker2dBullet, walking(22, i, bad))) << i;
  }
}

TEST(BulletLocomotionTaskTest, OnlyTheTwoLeggedWalkerBoundsItsEntries) {
  for (std::size_t i = 1; i < 22; ++i) {
    if (i == 7) continue;  // pitch
    EXPECT_FALSE(ends(TaskId::kWalker2dBullet, walking(22, i, 99.9f))) << i;
    EXPECT_TRUE(ends(TaskId::kWalker2dBullet, walking(22, i, 100.0f))) << i;
    EXPECT_TRUE(ends(TaskId::kWalker2dBullet, walking(22, i, -100.0f))) << i;
    if (i < 15) {
      EXPECT_FALSE(ends(TaskId::kHopperBullet, walking(15, i, 150.0f))) << i;
    }
  }
}

TEST(BulletLocomotionTaskTest, HalfcheetahNeverEnds) {
  for (std::size_t i = 0; i < 26; ++i)
    EXPECT_FALSE(ends(TaskId::kHalfCheetahBullet, walking(26, i, kNan)));
  EXPECT_FALSE(ends(TaskId::kHalfCheetahBullet, walking(26, 0, -0.6f)));
}

TEST(BulletLocomotionTaskTest, Rewards) {
  EXPECT_DOUBLE_EQ(bullet_locomotion_reward(0.6, 2.0), 3.0 - 0.002);
  EXPECT_EQ(bullet_alive_bonus(false), 1.0);
  EXPECT_EQ(bullet_alive_bonus(true), -1.0);
}

}  // namespace
}  // namespace mbrl
