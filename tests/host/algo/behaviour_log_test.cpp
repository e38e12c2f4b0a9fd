// Tests for host/algo/behaviour_log.{h,cpp}: how far the policy moved, by hand.
#include "host/algo/behaviour_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "kernels/networks/initialize.h"
#include "tests/support/copy_state.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

// of one action
float log_prob_of(Stream& stream, const GaussianActor& policy, const float* observation,
                  const float* action) {
  PolicyWorkspace workspace(stream, policy, 1);
  float log_prob = 0.0f;
  policy_log_prob(stream, policy, {observation, 1, policy.observation_size()},
                  {action, 1, policy.action_size()}, {&log_prob, 1}, workspace);
  return log_prob;
}

// one observation, one action: the network's biases alone count
struct ByHand {
  TestStream stream;
  GaussianActor policy{1, 1, {4}};

  ByHand() {
    for (float& value : policy.parameters.value) value = 0.0f;
  }
  void set(float mean, float log_std) {
    float* bias = policy.parameters.value.data() + policy.layout.layers.back().bias;
    bias[0] = mean;
    bias[1] = log_std;
  }
  // density of an action under a mean and log sd
  static double density(double mean, double log_std, double action) {
    const double noise = (std::atanh(action) - mean) * std::exp(-log_std);
    return std::exp(-0.5 * noise * noise - log_std) / std::sqrt(2 * M_PI) / (1 - action * action);
  }
  void add(BehaviourLog& log, float action, bool random) {
    const float observation = 0.3f;
    log.add(
        &observation, &action,
        random ? std::nullopt : std::optional(log_prob_of(stream, policy, &observation, &action)));
  }
};

TEST(BehaviourLogTest, IsZeroWithoutActionsAndForAnUnchangedPolicy) {
  TestStream stream;
  GaussianActor policy(3, 2, {24});
  init_actor(policy, 3, 0);
  BehaviourLog log(stream, policy, 700);  // more than are looked at at once
  EXPECT_EQ(log.policy_change(stream, policy), 0.0);
  const std::vector<float> observation = random_values(3 * 650, 1);
  std::vector<float> action = random_values(2 * 650, 2);
  for (std::size_t i = 0; i < 650; ++i) {
    for (std::size_t k = 0; k < 2; ++k) action[2 * i + k] = std::tanh(action[2 * i + k]);
    const float *s = &observation[3 * i], *a = &action[2 * i];
    log.add(s, a, log_prob_of(stream, policy, s, a));
  }
  EXPECT_EQ(log.policy_change(stream, policy), 0.0);
  init_actor(policy, 4, 0);
  EXPECT_GT(log.policy_change(stream, policy), 0.01);
}

TEST(BehaviourLogTest, IsTheMeanDifferenceOfDensities) {
  ByHand s;
  BehaviourLog log(s.stream, s.policy, 10);
  s.set(0.0f, 0.0f);
  s.add(log, 0.6f, false);
  s.add(log, -0.2f, false);
  s.set(0.5f, -0.4f);
  double sum = 0.0;
  for (const double a : {0.6, -0.2})
    sum += std::fabs(ByHand::density(0.5, -0.4, a) - ByHand::density(0.0, 0.0, a));
  EXPECT_NEAR(log.policy_change(s.stream, s.policy), sum / 2, 1e-5);
}

TEST(BehaviourLogTest, ARandomActionWasDrawnFromAUniformDensity) {
  ByHand s;
  s.set(0.2f, -0.3f);
  BehaviourLog log(s.stream, s.policy, 10);
  s.add(log, 0.6f, true);
  EXPECT_NEAR(log.policy_change(s.stream, s.policy),
              std::fabs(ByHand::density(0.2, -0.3, 0.6) - 0.5), 1e-5);

  // 2^-A with more actions: zero weights give each the density of a standard normal
  GaussianActor two(1, 2, {4});
  for (float& value : two.parameters.value) value = 0.0f;
  BehaviourLog pair(s.stream, two, 10);
  const float observation = 0.0f, action[] = {0.0f, 0.0f};
  pair.add(&observation, action, std::nullopt);
  EXPECT_NEAR(pair.policy_change(s.stream, two), std::fabs(1 / (2 * M_PI) - 0.25), 1e-5);
}

TEST(BehaviourLogTest, KeepsTheNewestActionsOnly) {
  ByHand s;
  s.set(0.2f, -0.3f);
  BehaviourLog log(s.stream, s.policy, 3);
  const float actions[] = {0.9f, -0.9f, 0.1f, 0.5f, -0.4f};
  for (const float a : actions) s.add(log, a, true);
  double sum = 0.0;
  for (int i = 2; i < 5; ++i)
    sum += std::fabs(ByHand::density(0.2, -0.3, static_cast<double>(actions[i])) - 0.5);
  EXPECT_NEAR(log.policy_change(s.stream, s.policy), sum / 3, 1e-5);
}

TEST(BehaviourLogTest, ADifferenceCountsAsAHundredAtMostAndNanAsNothing) {
  ByHand s;
  BehaviourLog log(s.stream, s.policy, 4);
  s.set(0.0f, 0.0f);
  s.add(log, 0.0f, false);
  s.add(log, 0.5f, false);
  s.set(0.0f, -10.0f);  // 8787 at its mean, nothing at 0.5
  EXPECT_NEAR(log.policy_change(s.stream, s.policy), (100.0 + ByHand::density(0, 0, 0.5)) / 2,
              1e-4);
  s.set(std::nanf(""), 0.0f);
  EXPECT_EQ(log.policy_change(s.stream, s.policy), 0.0);
}

TEST(BehaviourLogTest, ALogThatWasSavedGoesOnAsIfItHadNotBeen) {
  ByHand s;
  s.set(0.2f, -0.3f);
  BehaviourLog first(s.stream, s.policy, 3), second(s.stream, s.policy, 3);
  for (const float a : {0.9f, -0.9f, 0.1f, 0.5f}) s.add(first, a, false);
  copy_state([&](Archive& archive) { first.visit(archive); },
             [&](Archive& archive) { second.visit(archive); });
  for (BehaviourLog* log : {&first, &second}) s.add(*log, -0.4f, true);
  s.set(-0.1f, 0.1f);
  EXPECT_EQ(second.policy_change(s.stream, s.policy), first.policy_change(s.stream, s.policy));
  EXPECT_GT(first.policy_change(s.stream, s.policy), 0.0);
}

}  // namespace
}  // namespace mbrl
