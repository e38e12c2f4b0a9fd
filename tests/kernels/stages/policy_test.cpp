// Tests for kernels/stages/policy/policy.{h,cpp,cu} on every device: densities of actions, also of
// those that acting draws.
#include "kernels/stages/policy/policy.h"

#include <gtest/gtest.h>

#include <tuple>

#include "host/algo/draws.h"
#include "kernels/networks/initialize.h"
#include "tests/support/devices.h"
#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

using reference::Doubles;

struct Rows {
  int N;
  std::vector<float> observation, action;
  Rows(int rows, int S, int A)
      : N(rows),
        observation(random_values(static_cast<std::size_t>(rows * S), 1)),
        action(random_values(static_cast<std::size_t>(rows * A), 2, 0.8f)) {
    for (float& a : action) a = std::tanh(a);
  }
};

std::vector<float> log_probs(On on, const GaussianActor& host, const Rows& rows,
                             int num_threads = 2) {
  DeviceStream stream(on, num_threads);
  const GaussianActor policy = copy_to(stream.memory(), host);
  PolicyWorkspace workspace(stream, policy, rows.N);
  std::vector<float> result = poisoned(static_cast<std::size_t>(rows.N));
  policy_log_prob(stream, policy, matrix_of(rows.observation, policy.observation_size()),
                  matrix_of(rows.action, policy.action_size()), vector_of(result), workspace);
  return result;
}

using PolicyLogProbTest = DeviceTest<>;

TEST_P(PolicyLogProbTest, ByHand) {
  // zero weights: the output biases are means 0 and 0.5, sds 1 and 2, whatever is observed
  GaussianActor policy(2, 2, {4});
  for (float& value : policy.parameters.value) value = 0.0f;
  float* bias = policy.parameters.value.data() + policy.layout.layers.back().bias;
  bias[1] = 0.5f;
  bias[3] = 0.693147181f;
  Rows rows(1, 2, 2);
  // atanh 0 = 0, atanh 0.6 = ln 2
  rows.action = {0.0f, 0.6f};
  const double noise = (std::log(2.0) - 0.5) / 2.0;
  const double wanted =
      -0.918938533 + (-0.5 * noise * noise - 0.693147181 - 0.918938533 - std::log(0.64));
  EXPECT_NEAR(log_probs(on(), policy, rows, 1)[0], wanted, 2e-6);
}

using PolicyLogProbSizeTest = DeviceTest<std::tuple<On, int>>;

TEST_P(PolicyLogProbSizeTest, AgreesWithADoublePrecisionNetwork) {
  for (const int A : {1, 3, 17}) {
    GaussianActor policy(11, A, {24, 40});
    init_actor(policy, 3, 0);
    const Rows rows(std::get<1>(GetParam()), 11, A);
    const Doubles parameters = reference::to_double(policy.parameters.value);
    std::vector<double> wanted;
    for (int row = 0; row < rows.N; ++row) {
      const Doubles out = reference::mlp(
          policy.layout, parameters.data(), Activation::kRelu,
          Doubles(rows.observation.begin() + row * 11, rows.observation.begin() + row * 11 + 11));
      Doubles noise;
      for (int i = 0; i < A; ++i)
        noise.push_back((std::atanh(static_cast<double>(rows.action[row * A + i])) - out[i]) *
                        std::exp(-std::fmin(out[A + i], 2.0)));
      wanted.push_back(reference::squashed_gaussian(out, noise).log_prob);
    }
    // A terms, each with the square of an error of the network's
    EXPECT_THAT(log_probs(on(), policy, rows, 2), ElementsNear(wanted, {4e-6, 8e-6 * A}));
  }
}
INSTANTIATE_TEST_SUITE_P(Rows, PolicyLogProbSizeTest,
                         testing::Combine(testing::ValuesIn(available_devices()),
                                          testing::Values(1, 31, 33, 257)),
                         ParamName());

TEST_P(PolicyLogProbTest, ThreadsAndNeighboursDoNotChangeARow) {
  GaussianActor policy(5, 2, {24});
  init_actor(policy, 3, 0);
  const Rows rows(100, 5, 2);
  const std::vector<float> together = log_probs(on(), policy, rows, 1);
  for (const int threads : {2, 4}) EXPECT_EQ(log_probs(on(), policy, rows, threads), together);
  for (const int i : {0, 33, 99}) {
    Rows one(1, 5, 2);
    one.observation.assign(rows.observation.begin() + i * 5, rows.observation.begin() + i * 5 + 5);
    one.action.assign(rows.action.begin() + i * 2, rows.action.begin() + i * 2 + 2);
    EXPECT_EQ(log_probs(on(), policy, one, 1)[0], together[i]) << i;
  }
}

TEST_P(PolicyLogProbTest, ActionsThatThePolicyDrewHaveTheDensityOfTheirNoise) {
  GaussianActor policy(5, 2, {24});
  init_actor(policy, 3, 0);
  Rows rows(40, 5, 2);
  DeviceStream stream(on());
  const GaussianActor device_policy = copy_to(stream.memory(), policy);
  PolicyWorkspace workspace(stream, device_policy, rows.N);
  const RandomKey key{4, purpose::kActionNoise, 2};
  policy_act(stream, device_policy,
             {.observation = matrix_of(rows.observation, 5),
              .action = matrix_of(rows.action, 2),
              .key = key,
              .step = 7},
             workspace);
  const Doubles parameters = reference::to_double(policy.parameters.value);
  const std::vector<float> got = log_probs(on(), policy, rows, 2);
  int compared = 0;
  for (int row = 0; row < rows.N; ++row) {
    // closer to an end the rounded action no longer says where it came from
    if (std::fabs(rows.action[row * 2]) > 0.99f || std::fabs(rows.action[row * 2 + 1]) > 0.99f)
      continue;
    ++compared;
    const Doubles out = reference::mlp(
        policy.layout, parameters.data(), Activation::kRelu,
        Doubles(rows.observation.begin() + row * 5, rows.observation.begin() + row * 5 + 5));
    const Doubles noise{normal(key, 7, static_cast<std::uint32_t>(row), 0),
                        normal(key, 7, static_cast<std::uint32_t>(row), 1)};
    EXPECT_NEAR(got[row], reference::squashed_gaussian(out, noise).log_prob, 5e-5) << row;
  }
  EXPECT_GT(compared, 20);
}

TEST_P(PolicyLogProbTest, ActingGivesTheDensityThatIsAskedForLater) {
  GaussianActor policy(5, 3, {24});
  init_actor(policy, 3, 0);
  DeviceStream stream(on());
  const GaussianActor device_policy = copy_to(stream.memory(), policy);
  for (const int N : {1, 40}) {
    for (const bool stochastic : {true, false}) {
      Rows rows(N, 5, 3);
      PolicyWorkspace workspace(stream, device_policy, N);
      // one more, which nobody may write
      std::vector<float> log_prob = poisoned(static_cast<std::size_t>(N) + 1);
      policy_act(stream, device_policy,
                 {.observation = matrix_of(rows.observation, 5),
                  .action = matrix_of(rows.action, 3),
                  .stochastic = stochastic,
                  .key = {4, purpose::kActionNoise, 2},
                  .step = 7,
                  .log_prob = {log_prob.data(), N}},
                 workspace);
      EXPECT_TRUE(std::isnan(log_prob.back()));
      log_prob.pop_back();
      EXPECT_EQ(log_prob, log_probs(on(), policy, rows, 2));
      // the actions are those without it
      const std::vector<float> action = rows.action;
      policy_act(stream, device_policy,
                 {.observation = matrix_of(rows.observation, 5),
                  .action = matrix_of(rows.action, 3),
                  .stochastic = stochastic,
                  .key = {4, purpose::kActionNoise, 2},
                  .step = 7},
                 workspace);
      EXPECT_EQ(rows.action, action);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, PolicyLogProbTest, testing::ValuesIn(available_devices()),
                         ParamName());

}  // namespace
}  // namespace mbrl
