// Tests for envs/classic: one step of each closed-form environment by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "envs/env.h"

namespace mbrl {
namespace {

EnvOptions options(const std::string& name) {
  EnvOptions o;
  o.name = name;
  return o;
}

TEST(PendulumTest, HangingStillCostsPiSquaredPerStep) {
  const auto env = make_env(options("pendulum"));
  env->set_state(std::vector<double>{M_PI, 0.0});
  std::vector<float> o(3), none{0.0f};
  const StepResult r = env->step(none, o);
  EXPECT_NEAR(r.reward, -M_PI * M_PI, 1e-4);
  EXPECT_NEAR(o[0], -1.0, 1e-6);
  EXPECT_FALSE(r.terminated);
}

TEST(PendulumTest, OneStepByHand) {
  const auto env = make_env(options("pendulum"));
  env->set_state(std::vector<double>{0.5, 1.0});
  std::vector<float> o(3), half{0.5f};  // torque 1
  const StepResult r = env->step(half, o);
  const double rate = 1.0 + 0.05 * (15.0 * std::sin(0.5) + 3.0);
  EXPECT_NEAR(r.reward, -(0.25 + 0.1 + 0.001), 1e-6);
  EXPECT_NEAR(o[2], rate, 1e-6);
  EXPECT_NEAR(o[1], std::sin(0.5 + 0.05 * rate), 1e-6);
}

TEST(CartpoleTest, OneStepByHand) {
  const auto env = make_env(options("cartpole"));
  env->set_state(std::vector<double>{0.0, 0.0, 0.0, 0.0});
  std::vector<float> o(4), full{1.0f};  // 10 N
  env->step(full, o);
  const double push = 10.0 / 1.1;
  const double angular = -push / (0.5 * (4.0 / 3.0 - 0.1 / 1.1));
  EXPECT_NEAR(o[3], 0.02 * angular, 1e-6);
  EXPECT_NEAR(o[1], 0.02 * (push - 0.05 * angular / 1.1), 1e-6);
  EXPECT_EQ(o[0], 0.0f) << "positions move by the speed before the step";
}

TEST(PendulumTest, AnglesBeyondAHalfTurnCountTheShortWay) {
  const auto env = make_env(options("pendulum"));
  std::vector<float> o(3), none{0.0f};
  for (const auto& [angle, wrapped] :
       {std::pair(3.5, 3.5 - 2 * M_PI), std::pair(-4.0, 2 * M_PI - 4.0),
        std::pair(13.0, 13.0 - 4 * M_PI)}) {
    env->set_state(std::vector<double>{angle, 0.0});
    EXPECT_NEAR(env->step(none, o).reward, -wrapped * wrapped, 1e-5) << angle;
  }
}

TEST(PendulumTest, TheRateIsLimited) {
  const auto env = make_env(options("pendulum"));
  env->set_state(std::vector<double>{1.5, 7.9});
  std::vector<float> o(3), full{1.0f};
  env->step(full, o);
  EXPECT_EQ(o[2], 8.0f);
  EXPECT_NEAR(o[1], std::sin(1.5 + 0.05 * 8.0), 1e-6);
}

// the equations of motion of a pole on a cart (Barto et al. 1983), at a state where each term counts
TEST(CartpoleTest, OneStepFromATiltedPoleByHand) {
  const auto env = make_env(options("cartpole"));
  const double x = 0.1, v = -0.2, angle = 0.15, rate = 0.3, force = -4.0;
  env->set_state(std::vector<double>{x, v, angle, rate});
  std::vector<float> o(4), action{-0.4f};
  const StepResult r = env->step(action, o);
  const double s = std::sin(angle), c = std::cos(angle);
  const double push = (force + 0.05 * rate * rate * s) / 1.1;
  const double angular = (9.8 * s - c * push) / (0.5 * (4.0 / 3.0 - 0.1 * c * c / 1.1));
  EXPECT_NEAR(o[0], x + 0.02 * v, 1e-6);
  EXPECT_NEAR(o[1], v + 0.02 * (push - 0.05 * angular * c / 1.1), 1e-6);
  EXPECT_NEAR(o[2], angle + 0.02 * rate, 1e-6);
  EXPECT_NEAR(o[3], rate + 0.02 * angular, 1e-6);
  EXPECT_EQ(r.reward, 1.0f);
  EXPECT_FALSE(r.terminated);
}

TEST(CartpoleTest, EndsBeyondTwelveDegreesAndTheEndsOfTheTrack) {
  const auto env = make_env(options("cartpole"));
  std::vector<float> o(4), none{0.0f};
  const auto ends = [&](double x, double angle) {
    env->set_state(std::vector<double>{x, 0.0, angle, 0.0});
    return env->step(none, o).terminated;
  };
  const double limit = 12.0 * M_PI / 180.0;
  EXPECT_FALSE(ends(2.399, 0.0));
  EXPECT_TRUE(ends(2.401, 0.0));
  EXPECT_TRUE(ends(-2.401, 0.0));
  EXPECT_FALSE(ends(0.0, limit - 1e-4));
  EXPECT_TRUE(ends(0.0, limit + 1e-4));
  EXPECT_TRUE(ends(0.0, -limit - 1e-4));
}

}  // namespace
}  // namespace mbrl
