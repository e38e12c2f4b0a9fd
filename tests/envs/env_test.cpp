// Tests for envs/env.{h,cpp}: what every environment's step passes on, and what breaks it.
#include "envs/env.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace mbrl {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Returns what it is told.
class Told : public Env {
 public:
  const EnvSpec& spec() const override { return spec_; }
  void reset(std::uint32_t, std::uint64_t, std::span<float>) override {}
  int state_size() const override { return 0; }
  void get_state(std::span<double>) const override {}
  void set_state(std::span<const double>) override {}

  StepResult result{.reward = 1.5f, .terminated = true};
  std::vector<float> observation{0.25f, -4.0f};
  int num_steps = 0;

 private:
  StepResult do_step(std::span<const float>, std::span<float> o) override {
    ++num_steps;
    std::copy(observation.begin(), observation.end(), o.begin());
    return result;
  }
  EnvSpec spec_;
};

StepResult step(Told& env, const std::vector<float>& action = {0.0f, 0.5f}) {
  std::vector<float> observation(2);
  return env.step(action, observation);
}

TEST(EnvStepTest, FiniteValuesPass) {
  Told env;
  const StepResult r = step(env);
  EXPECT_EQ(r.broken, kNoFault);
  EXPECT_EQ(r.reward, 1.5f);
  EXPECT_TRUE(r.terminated);
}

TEST(EnvStepTest, AnActionThatIsNotFiniteIsNotSimulated) {
  Told env;
  for (const float bad : {kNan, kInfinity, -kInfinity})
    for (const std::vector<float>& action : {std::vector{bad, 0.0f}, std::vector{0.0f, bad}})
      EXPECT_EQ(step(env, action).broken, kBadAction);
  EXPECT_EQ(env.num_steps, 0);
}

TEST(EnvStepTest, ARewardOrAnObservationThatIsNotFiniteBreaksTheStep) {
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    Told reward;
    reward.result.reward = bad;
    EXPECT_EQ(step(reward).broken, kNotFinite);
    EXPECT_FALSE(step(reward).terminated);
    for (std::size_t i = 0; i < 2; ++i) {
      Told observation;
      observation.observation[i] = bad;
      EXPECT_EQ(step(observation).broken, kNotFinite);
    }
  }
}

TEST(EnvStepTest, AFaultOfTheSimulatorIsKept) {
  Told env;
  env.result = {.reward = kNan, .terminated = false, .broken = kTooFast};
  EXPECT_EQ(step(env).broken, kTooFast);
}

}  // namespace
}  // namespace mbrl
