// Tests for kernels/cpu/bf16_weights.{h,cpp}: the stages that multiply by them on the CPU.
#include "kernels/cpu/bf16_weights.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "host/algo/draws.h"
#include "tests/support/devices.h"
#include "tests/support/problems.h"

namespace mbrl {
namespace {

struct CpuStream : DeviceStream {
  explicit CpuStream(Precision precision, int threads = 2) : DeviceStream(On::kCpu, threads) {
    stream.set_precision(precision);
  }
};

template <typename State>
std::vector<float> all_arrays(State& state) {
  std::vector<float> values;
  for_each_array(state, [&](const char*, Buffer<float>& array) {
    values.insert(values.end(), array.begin(), array.end());
  });
  return values;
}

// all that `calls` calls of `updates` each leave behind
std::vector<float> after_sac(Precision precision, int threads, int calls, int updates,
                             bool simultaneous = false) {
  SacProblem p(70, 20, {40, 25});
  p.leave_the_start();
  p.constants.simultaneous = simultaneous;
  CpuStream cpu(precision, threads);
  SacWorkspace workspace(cpu, p.state, p.constants.batch_size);
  std::vector<SacLosses> losses(static_cast<std::size_t>(updates));
  for (int call = 0; call < calls; ++call)
    sac_update(cpu, losses, p.state, p.source(), p.constants, workspace);
  return all_arrays(p.state);
}

TEST(Bf16SacTest, TheCopiesFollowTheUpdates) {
  // a call makes them anew: updates in one call see what updates in many calls see
  for (const bool simultaneous : {false, true})
    EXPECT_EQ(after_sac(Precision::kBf16, 2, 1, 6, simultaneous),
              after_sac(Precision::kBf16, 2, 6, 1, simultaneous));
}

TEST(Bf16SacTest, ResultsDoNotDependOnTheNumberOfThreads) {
  EXPECT_EQ(after_sac(Precision::kBf16, 1, 2, 2), after_sac(Precision::kBf16, 3, 2, 2));
}

TEST(Bf16SacTest, OneUpdateIsNearThatInFp32AndNotTheSame) {
  const std::vector<float> wanted = after_sac(Precision::kFp32, 2, 1, 1);
  const double error = relative_error(after_sac(Precision::kBf16, 2, 1, 1), wanted);
  EXPECT_GT(error, 1e-6);
  EXPECT_LT(error, 1e-2);
}

std::vector<float> after_ensemble(Precision precision, int threads, int calls, int steps) {
  EnsembleProblem p(3, 40 * steps, 25, 2);
  p.leave_the_start();
  CpuStream cpu(precision, threads);
  EnsembleWorkspace workspace(cpu, p.state, 40);
  for (int call = 0; call < calls; ++call) {
    // step i of a call, or call i, trains on the same rows
    for (int e = 0; e < 3; ++e)
      for (int i = 0; i < 40 * steps; ++i)
        p.rows[static_cast<std::size_t>(e * 40 * steps + i)] =
            static_cast<std::uint32_t>((7 * e + i + 40 * call) % EnsembleProblem::kRecords);
    ensemble_epoch(cpu, p.state, p.view(), p.batch(), 40, p.constants, workspace);
  }
  std::vector<std::uint32_t> holdout(33);
  std::iota(holdout.begin(), holdout.end(), 5u);
  std::vector<double> mse(3);
  ensemble_holdout_mse(cpu, p.state, p.view(), {holdout.data(), 33}, mse, workspace);
  std::vector<float> values = all_arrays(p.state);
  values.insert(values.end(), mse.begin(), mse.end());
  return values;
}

TEST(Bf16EnsembleTest, TheCopiesFollowTheSteps) {
  EXPECT_EQ(after_ensemble(Precision::kBf16, 2, 1, 5), after_ensemble(Precision::kBf16, 2, 5, 1));
}

TEST(Bf16EnsembleTest, ResultsDoNotDependOnTheNumberOfThreads) {
  EXPECT_EQ(after_ensemble(Precision::kBf16, 1, 2, 2), after_ensemble(Precision::kBf16, 2, 2, 2));
}

TEST(Bf16EnsembleTest, OneStepIsNearThatInFp32AndNotTheSame) {
  const std::vector<float> wanted = after_ensemble(Precision::kFp32, 2, 1, 1);
  const double error = relative_error(after_ensemble(Precision::kBf16, 2, 1, 1), wanted);
  EXPECT_GT(error, 1e-6);
  EXPECT_LT(error, 1e-2);
}

std::vector<float> imagined(Precision precision, int threads) {
  RolloutProblem p(130, 3, 25);
  CpuStream cpu(precision, threads);
  RolloutWorkspace workspace(cpu, p.policy, p.model, p.constants.num_rows, 3);
  Buffer<float> ring(static_cast<std::size_t>(400) * p.layout.pitch(), -7.0f);
  rollout(cpu, p.policy, p.model, p.view(p.records), {ring.data(), 400, 0}, p.constants, workspace);
  return to_host(ring);
}

TEST(Bf16RolloutTest, IsNearThatInFp32ForAnyNumberOfThreads) {
  const std::vector<float> two = imagined(Precision::kBf16, 2);
  EXPECT_EQ(imagined(Precision::kBf16, 1), two);
  EXPECT_NE(imagined(Precision::kFp32, 2), two);
}

TEST(Bf16PolicyTest, ActsOnTheWeightsOfTheCall) {
  SacProblem p(1, 0, {40, 25});
  const auto observation = random_values(static_cast<std::size_t>(3 * 5), 4);
  const auto act = [&](CpuStream& cpu, PolicyWorkspace& workspace) {
    std::vector<float> action(3 * 2);
    policy_act(cpu, p.state.actor,
               {.observation = {observation.data(), 3, 5},
                .action = {action.data(), 3, 2},
                .stochastic = false,
                .key = {},
                .step = 0},
               workspace);
    return action;
  };
  CpuStream bf16(Precision::kBf16), fp32(Precision::kFp32);
  PolicyWorkspace workspace(bf16, p.state.actor, 3), exact(fp32, p.state.actor, 3);
  const std::vector<float> before = act(bf16, workspace);
  EXPECT_NE(before, act(fp32, exact));
  EXPECT_LT(relative_error(before, act(fp32, exact)), 2e-2);
  for (float& weight : p.state.actor.parameters.value) weight *= 1.5f;
  const std::vector<float> after = act(bf16, workspace);
  EXPECT_NE(after, before);
  EXPECT_LT(relative_error(after, act(fp32, exact)), 2e-2);
}

}  // namespace
}  // namespace mbrl
