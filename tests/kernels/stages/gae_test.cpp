// Tests for kernels/stages/ppo/gae.{h,cpp}.
#include "kernels/stages/ppo/gae.h"

#include <gtest/gtest.h>

#include "base/error.h"
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
Estimate estimate(const Steps& s, float discount, float lambda, int threads = 2) {
  TestStream stream(threads);
  Estimate e{poisoned(s.reward.size()), poisoned(s.reward.size())};
  gae(stream, matrix_of(e.advantage, s.N), matrix_of(e.value_target, s.N), s.in(), discount,
      lambda);
  return e;
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

TEST(GaeTest, TwoStepsByHand) {
  // deltas 1 + 0.5 * 4 - 2 = 1 and 3 + 0.5 * 6 - 4 = 2; A0 = 1 + 0.25 * 2
  const Steps s{1, {1, 3}, {2, 4}, {4, 6}, {0, 0}, {0, 0}};
  const Estimate e = estimate(s, 0.5f, 0.5f);
  EXPECT_THAT(e.advantage, ElementsNear({1.5, 2.0}));
  EXPECT_THAT(e.value_target, ElementsNear({3.5, 6.0}));
}

TEST(GaeTest, TerminatedStepsKeepTheirRewardAloneAndTruncatedStepsBootstrap) {
  const Steps terminated{1, {1, 3}, {2, 4}, {4, 6}, {1, 0}, {0, 0}};
  EXPECT_THAT(estimate(terminated, 0.5f, 0.5f).advantage, ElementsNear({1.0 - 2.0, 2.0}));
  const Steps truncated{1, {1, 3}, {2, 4}, {10, 6}, {0, 0}, {1, 0}};
  EXPECT_THAT(estimate(truncated, 0.5f, 0.5f).advantage, ElementsNear({1.0 + 0.5 * 10 - 2.0, 2.0}));
}

TEST(GaeTest, LambdaOneIsTheDiscountedReturnAndZeroTheTemporalDifference) {
  Steps s{1, {1, 2, 4}, {5, 6, 7}, {6, 7, 8}, {0, 0, 0}, {0, 0, 0}};
  EXPECT_THAT(estimate(s, 0.5f, 1.0f).value_target,
              ElementsNear({1 + 1 + 1 + 1.0, 2 + 2 + 2.0, 4 + 4.0}));
  EXPECT_THAT(estimate(s, 0.5f, 0.0f).value_target, ElementsNear({1 + 3.0, 2 + 3.5, 4 + 4.0}));
}

TEST(GaeTest, AgreesWithDoublePrecisionAtAllSizes) {
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
    const Estimate e = estimate(s, 0.9f, 0.8f);
    EXPECT_THAT(e.advantage, ElementsNear(advantage, {4e-6, 4e-6})) << T << " " << N;
    EXPECT_THAT(e.value_target, ElementsNear(target, {4e-6, 4e-6})) << T << " " << N;
  }
}

TEST(GaeTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const Steps s = random_steps(40, 100);
  const Estimate one = estimate(s, 0.99f, 0.95f, 1);
  for (const int threads : {2, 4})
    EXPECT_EQ(estimate(s, 0.99f, 0.95f, threads).advantage, one.advantage);
}

TEST(GaeTest, MayOverwriteItsInputs) {
  Steps s = random_steps(20, 3);
  const Estimate e = estimate(s, 0.99f, 0.95f);
  TestStream stream;
  gae(stream, matrix_of(s.reward, 3), matrix_of(s.value, 3), s.in(), 0.99f, 0.95f);
  EXPECT_EQ(s.reward, e.advantage);
  EXPECT_EQ(s.value, e.value_target);
}

TEST(GaeTest, NamesTheFirstArrayOfAnotherShape) {
  Steps s = random_steps(4, 3);
  s.truncated.resize(9);
  EXPECT_EQ(error_text<ShapeError>([&] { estimate(s, 0.99f, 0.95f); }),
            "gae: advantage is [4, 3], truncated is [3, 3]; expected the same shape.");
}

}  // namespace
}  // namespace mbrl
