// Tests for envs/classic: one step of each closed-form environment by hand.
#include <gtest/gtest.h>

#include <cmath>
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

}  // namespace
}  // namespace mbrl
