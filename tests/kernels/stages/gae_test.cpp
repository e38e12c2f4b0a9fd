// Tests for kernels/stages/ppo/gae.{h,cpp,cu} on every device.
#include "kernels/stages/ppo/gae.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/devices.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

struct Steps {
  int N;
  std::vector<float> reward, value, next_value, terminated, truncated;

  GaeIn in() const {
    return {matrix_of(reward, N), matrix_of(value, N), matrix_of(next_value, N),
            matrix_of(terminated, N), matrix_of(truncated, N)};
  }
};

struct Estimate {
  std::vector<float> advantage, value_target;
};
Estimate estimate(On on, const Steps& s, float discount, float lambda, int threads = 2,
                  bool in_place = false) {
  DeviceStream stream(on, threads);
  const auto copy = [&](const std::vector<float>& values) {
    return copy_to(stream.memory(), values);
  };
  Buffer<float> reward = copy(s.reward), value = copy(s.value);
  const Buffer<float> next_value = copy(s.next_value), terminated = copy(s.terminated),
                      truncated = copy(s.truncated);
  GaeIn in = s.in();
  in.reward.data = reward.data();
  in.value.data = value.data();
  in.next_value.data = next_value.data();
  in.terminated.data = terminated.data();
  in.truncated.data = truncated.data();
  Buffer<float> advantage = copy(poisoned(s.reward.size())),
                value_target = copy(poisoned(s.reward.size()));
  Buffer<float>& to_advantage = in_place ? reward : advantage;
  Buffer<float>& to_target = in_place ? value : value_target;
  const int T = in.reward.size(0);
  gae(stream, {to_advantage.data(), T, s.N}, {to_target.data(), T, s.N}, in, discount, lambda);
  stream.stream.synchronize();
  return {to_host(to_advantage), to_host(to_target)};
}

// random steps; some end in either way
Steps random_steps(int T, int N) {
  const auto count = static_cast<std::size_t>(T * N);
  Steps s{N,
          random_values(count, 1),
          random_values(count, 2),
          random_values(count, 3),
          std::vector<float>(count),
          std::vector<float>(count)};
  for (std::size_t i = 0; i < count; ++i) {
    s.terminated[i] = i % 7 == 3 ? 1.0f : 0.0f;
    s.truncated[i] = i % 5 == 2 ? 1.0f : 0.0f;
  }
  return s;
}

using GaeTest = DeviceTest<>;

TEST_P(GaeTest, TwoStepsByHand) {
  // deltas 1 + 0.5 * 4 - 2 = 1 and 3 + 0.5 * 6 - 4 = 2; A0 = 1 + 0.25 * 2
  const Steps s{1, {1, 3}, {2, 4}, {4, 6}, {0, 0}, {0, 0}};
  const Estimate e = estimate(on(), s, 0.5f, 0.5f);
  EXPECT_THAT(e.advantage, ElementsNear({1.5, 2.0}));
  EXPECT_THAT(e.value_target, ElementsNear({3.5, 6.0}));
}

TEST_P(GaeTest, TerminatedStepsKeepTheirRewardAloneAndTruncatedStepsBootstrap) {
  const Steps terminated{1, {1, 3}, {2, 4}, {4, 6}, {1, 0}, {0, 0}};
  EXPECT_THAT(estimate(on(), terminated, 0.5f, 0.5f).advantage, ElementsNear({1.0 - 2.0, 2.0}));
  const Steps truncated{1, {1, 3}, {2, 4}, {10, 6}, {0, 0}, {1, 0}};
  EXPECT_THAT(estimate(on(), truncated, 0.5f, 0.5f).advantage,
              ElementsNear({1.0 + 0.5 * 10 - 2.0, 2.0}));
}

TEST_P(GaeTest, LambdaOneIsTheDiscountedReturnAndZeroTheTemporalDifference) {
  Steps s{1, {1, 2, 4}, {5, 6, 7}, {6, 7, 8}, {0, 0, 0}, {0, 0, 0}};
  EXPECT_THAT(estimate(on(), s, 0.5f, 1.0f).value_target,
              ElementsNear({1 + 1 + 1 + 1.0, 2 + 2 + 2.0, 4 + 4.0}));
  EXPECT_THAT(estimate(on(), s, 0.5f, 0.0f).value_target,
              ElementsNear({1 + 3.0, 2 + 3.5, 4 + 4.0}));
}

TEST_P(GaeTest, AgreesWithDoublePrecisionAtAllSizes) {
  for (const auto& [T, N] : {std::pair{1, 1}, {31, 1}, {7, 33}, {257, 3}, {20, 100}}) {
    const Steps s = random_steps(T, N);
    std::vector<double> advantage(s.reward.size()), target(s.reward.size());
    for (int env = 0; env < N; ++env)
      for (int t = 0; t < T; ++t) {
        // the sum over all later steps of the same episode, term by term
        double weight = 1.0, sum = 0.0;
        for (int k = t; k < T; ++k) {
          const std::size_t i = static_cast<std::size_t>(k * N + env);
          sum += weight *
                 (s.reward[i] + (s.terminated[i] != 0 ? 0.0 : 0.9 * s.next_value[i]) - s.value[i]);
          if (s.terminated[i] != 0 || s.truncated[i] != 0) break;
          weight *= 0.9 * 0.8;
        }
        const auto at = static_cast<std::size_t>(t * N + env);
        advantage[at] = sum;
        target[at] = sum + s.value[at];
      }
    const Estimate e = estimate(on(), s, 0.9f, 0.8f);
    EXPECT_THAT(e.advantage, ElementsNear(advantage, {4e-6, 4e-6})) << T << " " << N;
    EXPECT_THAT(e.value_target, ElementsNear(target, {4e-6, 4e-6})) << T << " " << N;
  }
}

TEST_P(GaeTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const Steps s = random_steps(40, 100);
  const Estimate one = estimate(on(), s, 0.99f, 0.95f, 1);
  for (const int threads : {2, 4})
    EXPECT_EQ(estimate(on(), s, 0.99f, 0.95f, threads).advantage, one.advantage);
}

TEST_P(GaeTest, MayOverwriteItsInputs) {
  const Steps s = random_steps(20, 3);
  const Estimate e = estimate(on(), s, 0.99f, 0.95f);
  const Estimate in_place = estimate(on(), s, 0.99f, 0.95f, 2, true);
  EXPECT_EQ(in_place.advantage, e.advantage);
  EXPECT_EQ(in_place.value_target, e.value_target);
}

TEST_P(GaeTest, NamesTheFirstArrayOfAnotherShape) {
  Steps s = random_steps(4, 3);
  s.truncated.resize(9);
  EXPECT_EQ(error_text<ShapeError>([&] { estimate(on(), s, 0.99f, 0.95f); }),
            "gae: advantage is [4, 3], truncated is [3, 3]; expected the same shape.");
}

INSTANTIATE_TEST_SUITE_P(Devices, GaeTest, testing::ValuesIn(available_devices()), ParamName());

}  // namespace
}  // namespace mbrl
