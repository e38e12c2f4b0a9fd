// Tests for envs/tasks: reward and end rules on hand cases, limits and NaN.
#include "envs/tasks/task.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

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

TEST(HopperTaskTest, FallsBelowSeventyCentimetersOrBeyondAFifthOfARadian) {
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

TEST(Walker2dTaskTest, EndsOutsideItsBandOfHeightsOrLeaningByOneRadian) {
  const auto walker = [](float height, float angle) {
    std::vector<float> o(17, 500.0f);
    o[0] = height;
    o[1] = angle;
    return ends(TaskId::kWalker2d, o);
  };
  EXPECT_FALSE(walker(1.25f, 0.0f)) << "other entries are not looked at";
  EXPECT_TRUE(walker(0.8f, 0.0f));
  EXPECT_FALSE(walker(0.8001f, 0.0f));
  EXPECT_TRUE(walker(2.0f, 0.0f));
  EXPECT_FALSE(walker(1.9999f, 0.0f));
  for (const float sign : {-1.0f, 1.0f}) {
    EXPECT_TRUE(walker(1.25f, sign));
    EXPECT_FALSE(walker(1.25f, 0.9999f * sign));
  }
  EXPECT_TRUE(walker(kNan, 0.0f));
  EXPECT_TRUE(walker(1.25f, kNan));
}

TEST(AntTaskTest, EndsOutsideItsBandOfHeightsOrWithAnEntryThatIsNotFinite) {
  const auto ant = [](std::size_t index, float value) {
    std::vector<float> o(27, 500.0f);
    o[0] = 0.5f;
    o[index] = value;
    return ends(TaskId::kAnt, o);
  };
  EXPECT_FALSE(ant(0, 0.2f));
  EXPECT_TRUE(ant(0, 0.1999f));
  EXPECT_FALSE(ant(0, 1.0f));
  EXPECT_TRUE(ant(0, 1.0001f));
  for (std::size_t i = 0; i < 27; ++i) {
    for (const float bad : {kNan, kInf, -kInf}) EXPECT_TRUE(ant(i, bad)) << i;
  }
}

TEST(HumanoidTaskTest, EndsOutsideItsBandOfHeightsAndNotWithNan) {
  const auto humanoid = [](float height) {
    std::vector<float> o(45, kNan);
    o[0] = height;
    return ends(TaskId::kHumanoid, o);
  };
  EXPECT_FALSE(humanoid(1.0f));
  EXPECT_TRUE(humanoid(0.9999f));
  EXPECT_FALSE(humanoid(2.0f));
  EXPECT_TRUE(humanoid(2.0001f));
  EXPECT_FALSE(humanoid(kNan)) << "as the reference";
  EXPECT_TRUE(humanoid(kInf));
}

TEST(InvertedDoublePendulumTaskTest, EndsWhenTheTipIsNotAboveAMeter) {
  // upright: 1.2 m; both poles at 0.5857 rad: 1.2 cos = 1 m
  const auto pendulum = [](float lower, float between, float scale) {
    std::vector<float> o(11, 500.0f);
    o[1] = std::sin(lower);
    o[2] = scale * std::sin(between);
    o[3] = std::cos(lower);
    o[4] = scale * std::cos(between);
    return ends(TaskId::kInvertedDoublePendulum, o);
  };
  EXPECT_FALSE(pendulum(0.0f, 0.0f, 1.0f));
  for (const float sign : {-1.0f, 1.0f}) {
    EXPECT_FALSE(pendulum(0.58f * sign, 0.0f, 1.0f));
    EXPECT_TRUE(pendulum(0.59f * sign, 0.0f, 1.0f));
    // 0.6 (1 + cos 0.8411) = 1 m: the angle between the poles alone
    EXPECT_FALSE(pendulum(0.0f, 0.83f * sign, 1.0f));
    EXPECT_TRUE(pendulum(0.0f, 0.85f * sign, 1.0f));
    // a model's sine and cosine off the circle mean the same angle
    EXPECT_FALSE(pendulum(0.0f, 0.83f * sign, 0.5f));
    EXPECT_TRUE(pendulum(0.0f, 0.85f * sign, 2.0f));
  }
  EXPECT_FALSE(pendulum(0.3f, -0.6f, 1.0f)) << "a zigzag stands higher than a lean";
  EXPECT_FALSE(pendulum(kNan, 0.0f, 1.0f)) << "as the reference";
}

TEST(RunnerTaskTest, HalfCheetahAndSwimmerNeverEnd) {
  for (const float value : {kNan, kInf, -500.0f}) {
    EXPECT_FALSE(ends(TaskId::kHalfCheetah, std::vector<float>(17, value)));
    EXPECT_FALSE(ends(TaskId::kSwimmer, std::vector<float>(8, value)));
  }
}

TEST(RunnerTaskTest, Rewards) {
  EXPECT_DOUBLE_EQ(walker2d_reward(0.016, 0.008, 2.0), 2.0 + 1.0 - 0.002);
  EXPECT_DOUBLE_EQ(halfcheetah_reward(0.1, 0.05, 2.0), 2.0 - 0.2);
  EXPECT_DOUBLE_EQ(swimmer_reward(0.02, 0.04, 2.0), 0.5 - 0.0002);
  EXPECT_DOUBLE_EQ(ant_reward(0.1, 0.05, 2.0, 10.0), 2.0 + 1.0 - 1.0 - 0.005);
  EXPECT_DOUBLE_EQ(humanoid_reward(0.03, 0.015, 2.0, 1e6), 2.5 + 5.0 - 0.2 - 0.5);
  EXPECT_DOUBLE_EQ(humanoid_reward(0.0, 0.015, 0.0, 1e9), 5.0 - 10.0) << "impact is capped";
  EXPECT_DOUBLE_EQ(inverted_double_pendulum_reward(0.5, 1.2, 2.0, 3.0),
                   10.0 - 0.0025 - 0.64 - 0.004 - 0.045);
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

TEST(ReacherTaskTest, NeverEndsAndCostsDistanceAndControl) {
  EXPECT_FALSE(ends(TaskId::kReacher, std::vector<float>(10, kNan)));
  EXPECT_DOUBLE_EQ(reacher_reward(0.25, 1.5), -1.75);
}

std::vector<float> walking(std::size_t size, std::size_t index = 0, float value = 0.0f) {
  std::vector<float> o(size, 0.0f);
  o[2] = 1.0f;
  o[index] = value;
  return o;
}

TEST(BulletLocomotionTaskTest, WalkersFallAtEightyCentimetersOrOneRadian) {
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
