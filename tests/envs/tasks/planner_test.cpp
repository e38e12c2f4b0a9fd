// Tests for envs/tasks/planner.h: costs of every planned task on hand cases, rewards of the six
// tasks of PETS beside them, what models read and predict.
#include "envs/tasks/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "envs/env.h"

namespace mbrl {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float cost(TaskId task, const std::vector<float>& next, const std::vector<float>& action,
           const std::vector<float>& now = std::vector<float>(32, 0.0f)) {
  return planner_cost(task, now.data(), next.data(), action.data());
}

/// The listed tasks; a new one must be given hand cases below.
TEST(PlannerTest, KnowsTheseTasks) {
  std::vector<std::string> names;
  for (const EnvSpec& spec : list_envs())
    if (has_planner_cost(spec.task)) names.push_back(spec.name);
  EXPECT_THAT(names, testing::ElementsAre("cartpole_swingup", "daisy", "halfcheetah18", "hopper12",
                                          "pendulum", "pusher", "reacher3d"));
  EXPECT_FALSE(has_planner_cost(TaskId::kMjcf));
  EXPECT_EQ(cost(TaskId::kHopper, std::vector<float>(11, 1.0f), {1, 1, 1}), 0.0f);
  EXPECT_EQ(observation_map(TaskId::kHopper), ObservationMap{});
  EXPECT_EQ(action_scale(TaskId::kHopper), 1.0f);
}

TEST(PlannerTest, ActionsAreInTheUnitOfTheControl) {
  EXPECT_EQ(action_scale(TaskId::kCartpoleSwingup), 3.0f);
  EXPECT_EQ(action_scale(TaskId::kDaisy), 1.0f);
  EXPECT_EQ(action_scale(TaskId::kHalfCheetah18), 1.0f);
  EXPECT_EQ(action_scale(TaskId::kHopper12), 1.0f);
  EXPECT_EQ(action_scale(TaskId::kPendulum), 2.0f);
  EXPECT_EQ(action_scale(TaskId::kPusher), 2.0f);
  EXPECT_EQ(action_scale(TaskId::kReacher3d), 20.0f);
}

TEST(CartpoleSwingupTaskTest, TheTipBelongsAboveTheRestPlace) {
  constexpr TaskId kTask = TaskId::kCartpoleSwingup;
  const auto pi = static_cast<float>(M_PI);
  // upright at the rest place, by either side
  EXPECT_NEAR(cost(kTask, {0, pi, 9, 9}, {0}), -1.0, 1e-6);
  EXPECT_NEAR(cost(kTask, {0, -pi, -9, 9}, {0}), -1.0, 1e-6);
  // hanging: the tip is 1.2 m below
  EXPECT_NEAR(cost(kTask, {0, 0, 0, 0}, {0}), -std::exp(-1.44 / 0.36), 1e-7);
  // a quarter turn takes the tip to x = -0.6 m, which 0.6 m of the cart make up for
  EXPECT_NEAR(cost(kTask, {0.6f, pi / 2, 0, 0}, {0}), -std::exp(-1.0), 1e-6);
  EXPECT_NEAR(cost(kTask, {-0.6f, pi / 2, 0, 0}, {0}), -std::exp(-(1.44 + 0.36) / 0.36), 1e-6);
  EXPECT_NEAR(cost(kTask, {0.3f, pi, 0, 0}, {0}), -std::exp(-0.09 / 0.36), 1e-6);
  // 0.01 of the squared control, which is 3 at an action of 1
  EXPECT_NEAR(cost(kTask, {0, pi, 0, 0}, {-1}), -1.0 + 0.09, 1e-6);
  EXPECT_NEAR(cost(kTask, {0, pi, 0, 0}, {0.5f}), -1.0 + 0.0225, 1e-6);
  const float upright[4] = {0, pi, 0, 0};
  EXPECT_NEAR(cartpole_swingup_reward(upright, 4.0f), 1.0 - 0.04, 1e-6);
  EXPECT_TRUE(std::isnan(cost(kTask, {kNan, 0, 0, 0}, {0})));
  EXPECT_TRUE(std::isnan(cost(kTask, {0, kNan, 0, 0}, {0})));
}

std::vector<float> pushing(std::array<float, 3> hand, std::array<float, 3> object) {
  std::vector<float> o(20, 50.0f);
  std::copy(hand.begin(), hand.end(), o.begin() + 14);
  std::copy(object.begin(), object.end(), o.begin() + 17);
  return o;
}

TEST(PusherTaskTest, CostsBothDistancesAndPushing) {
  constexpr TaskId kTask = TaskId::kPusher;
  const std::vector<float> none(7, 0.0f);
  constexpr std::array<float, 3> kGoal{0.45f, -0.05f, -0.323f};
  EXPECT_EQ(cost(kTask, pushing(kGoal, kGoal), none), 0.0f);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (const float off : {-0.5f, 0.25f}) {
      std::array<float, 3> hand = kGoal, object = kGoal;
      hand[axis] += off;
      EXPECT_NEAR(cost(kTask, pushing(hand, kGoal), none), 0.5 * std::abs(off), 1e-6) << axis;
      object[axis] += off;
      EXPECT_NEAR(cost(kTask, pushing(object, object), none), 1.25 * std::abs(off), 1e-6) << axis;
    }
  }
  // 0.1 of the sum of squared controls, which are 2 at an action of 1
  EXPECT_NEAR(cost(kTask, pushing(kGoal, kGoal), {1, 0, 0, 0, 0, 0, -0.5f}), 0.1 * (4 + 1), 1e-6);
  EXPECT_NEAR(pusher_reward(pushing({1, 1, 1}, {1, 1, 2}).data(), 3.0f),
              -0.5 - 1.25 * (0.55 + 1.05 + 2.323) - 0.3, 1e-5);
  EXPECT_TRUE(std::isnan(cost(kTask, pushing(kGoal, {kNan, 0, 0}), none)));
}

using Vector = std::array<double, 3>;
Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

// as the reference computes it, in double: the next hinge is along' x along, brought to length 1
Vector reference_hand(const std::vector<double>& q) {
  const double c1 = std::cos(q[0]), s1 = std::sin(q[0]), c2 = std::cos(q[1]), s2 = std::sin(q[1]);
  Vector along{c2 * c1, c2 * s1, -s2}, hinge{-s1, c1, 0.0};
  Vector end{0.1 * c1 + 0.4 * c1 * c2, 0.1 * s1 + 0.4 * s1 * c2 - 0.188, -0.4 * s2};
  for (const auto& [length, bend, roll] :
       {std::tuple(0.321, q[3], q[2]), std::tuple(0.16828, q[5], q[4])}) {
    const Vector across = cross(along, hinge);
    Vector next{};
    for (std::size_t i = 0; i < 3; ++i) {
      next[i] = std::cos(bend) * along[i] + std::sin(bend) * std::sin(roll) * hinge[i] -
                std::sin(bend) * std::cos(roll) * across[i];
      end[i] += length * next[i];
    }
    const Vector turned = cross(next, along);
    const double norm = std::hypot(turned[0], turned[1], turned[2]);
    if (norm >= 1e-30)
      for (std::size_t i = 0; i < 3; ++i) hinge[i] = turned[i] / norm;
    along = next;
  }
  return end;
}

void expect_hand(const std::vector<double>& q, const Vector& expected, double tolerance) {
  const std::vector<float> joints(q.begin(), q.end());
  const Reacher3dVector hand = reacher3d_hand(joints.data());
  EXPECT_NEAR(hand.x, expected[0], tolerance);
  EXPECT_NEAR(hand.y, expected[1], tolerance);
  EXPECT_NEAR(hand.z, expected[2], tolerance);
}

TEST(Reacher3dTaskTest, TheHandIsWhereTheAnglesTakeIt) {
  expect_hand({0, 0, 0, 0, 0, 0, 0}, {0.989280, -0.188, 0}, 1e-6);
  expect_hand({.3, -.2, .4, -.7, .5, -.6, .2}, {0.743347, -0.148738, 0.446303}, 1.5e-6);
  expect_hand({-1.1, .9, -2, -1.5, 1, -1.2, -.4}, {0.489917, -0.253661, -0.293796}, 1.5e-6);
}

TEST(Reacher3dTaskTest, TheHandIsTheReferencesOnBothSidesOfTheLimits) {
  // bends of both signs, none, and the smallest; rolls all around
  for (const double elbow : {-2.0, -0.3, -1e-4, -1e-7, 0.0, 1e-7, 1e-3, 0.4})
    for (const double wrist : {-1.7, -1e-6, 0.0, 0.2})
      for (const double roll : {-7.0, -1.1, 0.0, 0.6, 2.9}) {
        // as floats see them
        std::vector<double> q{0.4, 0.8, roll, elbow, 1.3 - roll, wrist, 0.5};
        for (double& x : q) x = static_cast<float>(x);
        SCOPED_TRACE(testing::PrintToString(q));
        expect_hand(q, reference_hand(q), 2e-6);
      }
}

TEST(Reacher3dTaskTest, CostsTheSquaredDistanceFromThePresentTargetAndPushing) {
  constexpr TaskId kTask = TaskId::kReacher3d;
  std::vector<float> now(17, 7.0f), next(17, 0.0f), none(7, 0.0f);
  const auto set_target = [](std::vector<float>& o, float x, float y, float z) {
    o[7] = x;
    o[8] = y;
    o[9] = z;
  };
  // stretched out the hand is at (0.98928, -0.188, 0)
  set_target(now, 0.98928f, -0.188f, 0.0f);
  set_target(next, 5.0f, 5.0f, 5.0f);  // a model's target drifts, the true one does not
  EXPECT_NEAR(cost(kTask, next, none, now), 0.0, 1e-12);
  set_target(now, 0.98928f - 0.5f, -0.188f, 0.0f);
  EXPECT_NEAR(cost(kTask, next, none, now), 0.25, 1e-6);
  set_target(now, 0.98928f, -0.188f + 0.25f, 0.0f);
  EXPECT_NEAR(cost(kTask, next, none, now), 0.0625, 1e-6);
  set_target(now, 0.98928f, -0.188f, -1.0f);
  EXPECT_NEAR(cost(kTask, next, none, now), 1.0, 1e-6);
  // 0.01 of the sum of squared controls, which are 20 at an action of 1
  EXPECT_NEAR(cost(kTask, next, {-1, 0, 0, 0, 0, 0, 0.5f}, now), 1.0 + 0.01 * (400 + 100), 1e-5);
  set_target(next, 0.98928f, -0.188f, 0.5f);
  EXPECT_NEAR(reacher3d_reward(next.data(), 10.0f), -0.25 - 0.1, 1e-6);
  // the last joint rolls the hand about itself
  next[6] = 1.0f;
  EXPECT_NEAR(cost(kTask, next, none, now), 1.0, 1e-6);
  for (std::size_t i = 0; i < 6; ++i) {
    std::vector<float> bad = next;
    bad[i] = kNan;
    EXPECT_TRUE(std::isnan(cost(kTask, bad, none, now))) << i;
  }
}

TEST(SpeedTaskTest, RunningForwardPaysAndPushingCosts) {
  std::vector<float> cheetah(18, 99.0f), hopper(12, 99.0f), daisy(24, 99.0f);
  cheetah[0] = hopper[0] = 3.0f;
  daisy[22] = -0.25f;
  EXPECT_NEAR(cost(TaskId::kHalfCheetah18, cheetah, {1, -1, 0.5f, 0, 0, 1}), -3.0 + 0.325, 1e-6);
  EXPECT_NEAR(halfcheetah18_reward(3.0f, 2.0f), 3.0 - 0.2, 1e-6);
  // planners do not hear that standing pays
  EXPECT_NEAR(cost(TaskId::kHopper12, hopper, {1, -1, 0.5f}), -3.0 + 0.00225, 1e-6);
  EXPECT_NEAR(hopper12_reward(3.0f, 2.0f, true), 3.0 - 0.002 + 1.0, 1e-6);
  EXPECT_NEAR(hopper12_reward(3.0f, 2.0f, false), 3.0 - 0.002, 1e-6);
  EXPECT_EQ(cost(TaskId::kDaisy, daisy, std::vector<float>(18, 1.0f)), 0.25f);
  EXPECT_EQ(daisy_reward(daisy.data()), -0.25f);
}

TEST(SpeedTaskTest, NoneOfTheTasksEnds) {
  const std::vector<float> o(32, kNan);
  EXPECT_FALSE(cartpole_swingup_ends(o.data()));
  EXPECT_FALSE(daisy_ends(o.data()));
  EXPECT_FALSE(halfcheetah18_ends(o.data()));
  EXPECT_FALSE(hopper12_ends(o.data()));
  EXPECT_FALSE(pusher_ends(o.data()));
  EXPECT_FALSE(reacher3d_ends(o.data()));
}

TEST(PendulumTaskTest, CostIsTheRewardsAtSmallAngles) {
  const double angle = 0.1;
  EXPECT_NEAR(cost(TaskId::kPendulum,
                   {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)), 3.0f},
                   {0.5f}),
              -pendulum_reward(angle, 3.0, 1.0), 1e-5);
}

/// What a model reads of an observation.
std::vector<float> inputs(TaskId task, const std::vector<float>& observation) {
  const ObservationMap map = observation_map(task);
  std::vector<float> values;
  for (int i = 0; i < map.size(static_cast<int>(observation.size())); ++i)
    values.push_back(map.value(observation.data(), i));
  return values;
}
std::vector<int> absolute_entries(TaskId task) {
  std::vector<int> entries;
  for (int i = 0; i < ObservationMap::kMaxEntries; ++i)
    if (observation_map(task).predicts_itself(i)) entries.push_back(i);
  return entries;
}
std::vector<float> counted(int size) {
  std::vector<float> o;
  for (int i = 0; i < size; ++i) o.push_back(0.1f * static_cast<float>(i + 1));
  return o;
}

TEST(PlannerTest, ModelsReadAndPredictAsInPets) {
  using testing::ElementsAre;
  using testing::IsEmpty;
  EXPECT_EQ(inputs(TaskId::kCartpoleSwingup, {1.0f, 0.5f, 3.0f, 4.0f}),
            (std::vector<float>{sin_f(0.5f), cos_f(0.5f), 1.0f, 3.0f, 4.0f}));
  EXPECT_THAT(absolute_entries(TaskId::kCartpoleSwingup), IsEmpty());

  const std::vector<float> cheetah = counted(18);
  std::vector<float> read{cheetah[1], sin_f(cheetah[2]), cos_f(cheetah[2])};
  read.insert(read.end(), cheetah.begin() + 3, cheetah.end());
  EXPECT_EQ(inputs(TaskId::kHalfCheetah18, cheetah), read);
  EXPECT_THAT(absolute_entries(TaskId::kHalfCheetah18), ElementsAre(0));

  const std::vector<float> hopper = counted(12);
  EXPECT_EQ(inputs(TaskId::kHopper12, hopper),
            std::vector<float>(hopper.begin() + 1, hopper.end()));
  EXPECT_THAT(absolute_entries(TaskId::kHopper12), ElementsAre(0));

  for (const auto& [task, size] :
       {std::pair(TaskId::kPusher, 20), std::pair(TaskId::kReacher3d, 17),
        std::pair(TaskId::kDaisy, 24), std::pair(TaskId::kPendulum, 3)})
    EXPECT_EQ(inputs(task, counted(size)), counted(size));
  EXPECT_THAT(absolute_entries(TaskId::kPusher), IsEmpty());
  EXPECT_THAT(absolute_entries(TaskId::kReacher3d), IsEmpty());
  EXPECT_THAT(absolute_entries(TaskId::kDaisy), ElementsAre(21, 22, 23));
}

}  // namespace
}  // namespace mbrl
