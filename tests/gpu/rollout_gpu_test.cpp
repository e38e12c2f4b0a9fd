// Tests for kernels/stages/rollout/rollout.cu: the GPU against its CPU twin.
#include <gtest/gtest.h>

#include <tuple>

#include "base/error.h"
#include "kernels/stages/rollout/rollout.h"
#include "tests/support/devices.h"
#include "tests/support/problems.h"

namespace mbrl {
namespace {

// the same problem on both devices
struct Problem : RolloutProblem {
  EnsembleState& cpu_model = model;
  GaussianActor& cpu_policy = policy;
  EnsembleState gpu_model;
  GaussianActor gpu_policy;
  Buffer<float> device_records;

  Problem(int rows, int length, int member_width = 24)
      : RolloutProblem(rows, length, member_width),
        gpu_model(copy_to(Memory::kDevice, model)),
        gpu_policy(copy_to(Memory::kDevice, policy)),
        device_records(on_device(records)) {}
};

struct Imagined {
  std::vector<float> records;
  RolloutResult result;
};

Imagined run(Stream& stream, Problem& p, std::size_t capacity, std::size_t head, int calls = 1) {
  const bool gpu = stream.on_gpu();
  const GaussianActor& policy = gpu ? p.gpu_policy : p.cpu_policy;
  const EnsembleState& model = gpu ? p.gpu_model : p.cpu_model;
  const TransitionsView real = p.view(gpu ? p.device_records : p.records);
  RolloutWorkspace workspace(stream, policy, model, p.constants.num_rows, 3);
  Buffer<float> ring(capacity * p.layout.pitch(), -7.0f, stream.memory());
  Imagined imagined;
  for (int call = 0; call < calls; ++call)
    imagined.result =
        rollout(stream, policy, model, real, {ring.data(), capacity, head}, p.constants, workspace);
  imagined.records = to_host(ring);
  return imagined;
}

class RolloutGpuTest : public GpuTest,
                       public testing::WithParamInterface<std::tuple<int, Precision>> {};

TEST_P(RolloutGpuTest, WritesTheTransitionsOfTheCpuInTheSameOrder) {
  const auto [rows, precision] = GetParam();
  if (const std::string why = format_missing(precision); !why.empty()) GTEST_SKIP() << why;
  // one step, so that a branch which ends on one device only cannot shift the others
  Problem p(rows, 1);
  TwinStreams streams;
  streams.gpu.set_precision(precision);
  const std::size_t capacity = static_cast<std::size_t>(rows) + 13;
  const Imagined wanted = run(streams.cpu, p, capacity, 20 % capacity);
  const Imagined got = run(streams.gpu, p, capacity, 20 % capacity);
  EXPECT_EQ(got.result.num_written, static_cast<std::size_t>(rows));
  EXPECT_EQ(got.result.num_steps, 1);
  EXPECT_TRUE(got.result.finite);
  EXPECT_LT(relative_error(got.records, wanted.records), step_tolerance(precision));
}

INSTANTIATE_TEST_SUITE_P(Sizes, RolloutGpuTest,
                         testing::Combine(testing::Values(1, 31, 33, 130, 700),
                                          testing::ValuesIn(kAllPrecisions)),
                         [](const auto& test) {
                           return "rows" + std::to_string(std::get<0>(test.param)) + "_" +
                                  precision_name(std::get<1>(test.param));
                         });

class WideRolloutGpuTest : public FormatGpuTest {};

// so wide that only the small tile of rows fits in shared memory
TEST_P(WideRolloutGpuTest, WritesTheTransitionsOfTheCpu) {
  constexpr int kWidth = 928;
  constexpr std::size_t kRowBytes = 2 * (kWidth + 16) * sizeof(float);
  if (gpu::shared_memory_limit() < 16 * kRowBytes) GTEST_SKIP() << "too little shared memory";
  if (gpu::shared_memory_limit() >= 32 * kRowBytes) GTEST_SKIP() << "the usual tile fits";
  Problem p(19, 1, kWidth);
  TwinStreams streams;
  streams.gpu.set_precision(GetParam());
  const Imagined wanted = run(streams.cpu, p, 30, 20);
  const Imagined got = run(streams.gpu, p, 30, 20);
  EXPECT_EQ(got.result.num_written, 19u);
  EXPECT_LT(relative_error(got.records, wanted.records), step_tolerance(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Formats, WideRolloutGpuTest, testing::ValuesIn(kAllPrecisions),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

using RolloutLengthGpuTest = GpuTest;

TEST_F(RolloutLengthGpuTest, FinishedBranchesDropOutAndTheRingWraps) {
  Problem p(600, 4);
  TwinStreams streams;
  const std::size_t capacity = 1000;
  const Imagined wanted = run(streams.cpu, p, capacity, 900);
  const Imagined got = run(streams.gpu, p, capacity, 900);
  EXPECT_GT(wanted.result.num_terminated, 20u);
  EXPECT_LT(wanted.result.num_terminated, 580u);
  EXPECT_EQ(got.result.num_written, wanted.result.num_written);
  EXPECT_EQ(got.result.num_terminated, wanted.result.num_terminated);
  EXPECT_EQ(got.result.num_steps, wanted.result.num_steps);
  EXPECT_LT(relative_error(got.records, wanted.records), 1e-5);
}

TEST_F(RolloutLengthGpuTest, EndsEarlyWhenNoBranchIsLeft) {
  Problem p(40, 30);
  for (EnsembleState* model : {&p.cpu_model, &p.gpu_model}) {
    // a wide noise that tips every pole soon
    std::vector<float> bounds = to_host(model->logvar_bounds.value);
    for (float& b : bounds) b = 2.0f;
    from_host(model->logvar_bounds.value, bounds);
  }
  TwinStreams streams;
  const Imagined wanted = run(streams.cpu, p, 2000, 0);
  const Imagined got = run(streams.gpu, p, 2000, 0);
  EXPECT_LT(wanted.result.num_steps, 30);
  EXPECT_EQ(wanted.result.num_terminated, 40u);
  EXPECT_EQ(got.result.num_steps, wanted.result.num_steps);
  EXPECT_EQ(got.result.num_written, wanted.result.num_written);
  EXPECT_EQ(got.result.num_terminated, 40u);
}

TEST_F(RolloutLengthGpuTest, AGraphRepeatsWhatTheEagerLaunchesDo) {
  Problem p(300, 3);
  TwinStreams with, without;
  without.gpu.set_use_graphs(false);
  EXPECT_EQ(run(with.gpu, p, 1000, 0, 3).records, run(without.gpu, p, 1000, 0).records);
}

TEST_F(RolloutLengthGpuTest, AnotherCallHasOtherDrawsElitesAndArrays) {
  Problem p(100, 2);
  TwinStreams streams;
  RolloutWorkspace cpu(streams.cpu, p.cpu_policy, p.cpu_model, 100, 4);
  RolloutWorkspace gpu(streams.gpu, p.gpu_policy, p.gpu_model, 100, 4);
  Buffer<float> ring(400 * p.layout.pitch(), -7.0f);
  Buffer<float> device_ring = on_device(ring);
  std::size_t head = 0;
  std::uint64_t index = 0;
  const auto call = [&] {
    p.constants.rollout_index = ++index;
    // elites change with every fit
    for (EnsembleState* model : {&p.cpu_model, &p.gpu_model})
      model->elites = index % 2 == 1 ? std::vector<int>{1} : std::vector<int>{3, 2, 1, 0};
    const RolloutResult wanted = rollout(streams.cpu, p.cpu_policy, p.cpu_model, p.view(),
                                         {ring.data(), 400, head}, p.constants, cpu);
    const RolloutResult got =
        rollout(streams.gpu, p.gpu_policy, p.gpu_model, p.view(p.device_records),
                {device_ring.data(), 400, head}, p.constants, gpu);
    EXPECT_EQ(got.num_written, wanted.num_written);
    head = (head + wanted.num_written) % 400;
  };
  EnsembleState& on_gpu = p.gpu_model;
  move_each({&p.gpu_policy.parameters.value, &on_gpu.members.value, &on_gpu.logvar_bounds.value,
             &on_gpu.input_mean, &on_gpu.input_inv_std},
            call);
  EXPECT_LT(relative_error(device_ring, ring), 1e-5);
}

TEST_F(RolloutLengthGpuTest, AnotherLengthIsRecordedAnew) {
  Problem p(60, 2);
  TwinStreams streams;
  RolloutWorkspace cpu(streams.cpu, p.cpu_policy, p.cpu_model, 60, 3);
  RolloutWorkspace gpu(streams.gpu, p.gpu_policy, p.gpu_model, 60, 3);
  constexpr std::size_t kCapacity = 500;
  Buffer<float> ring(kCapacity * p.layout.pitch(), -7.0f);
  Buffer<float> device_ring = on_device(ring);
  for (const int length : {2, 2, 3, 3, 1, 2}) {
    p.constants.length = length;
    const RolloutResult wanted = rollout(streams.cpu, p.cpu_policy, p.cpu_model, p.view(),
                                         {ring.data(), kCapacity, 0}, p.constants, cpu);
    const RolloutResult got =
        rollout(streams.gpu, p.gpu_policy, p.gpu_model, p.view(p.device_records),
                {device_ring.data(), kCapacity, 0}, p.constants, gpu);
    EXPECT_EQ(got.num_steps, length);
    EXPECT_EQ(got.num_steps, wanted.num_steps);
    EXPECT_EQ(got.num_written, wanted.num_written) << length;
    EXPECT_LT(relative_error(device_ring, ring), 1e-5) << length;
  }
}

TEST_F(RolloutLengthGpuTest, TooManyElitesAreRefusedWhenTheBuffersAreMade) {
  const Problem p(10, 1);
  TwinStreams streams;
  const auto make = [&](int num_elites) {
    return error_text<ConfigError>(
        [&] { RolloutWorkspace(streams.gpu, p.gpu_policy, p.gpu_model, 10, num_elites); });
  };
  EXPECT_NO_THROW(RolloutWorkspace(streams.gpu, p.gpu_policy, p.gpu_model, 10, 32));
  EXPECT_EQ(make(33),
            "model.num_elites is 33; rollouts on the GPU choose among up to 32 elites. Lower "
            "model.num_elites or run with --device cpu.");
  EXPECT_EQ(make(300),
            "model.num_elites is 300; rollouts on the GPU choose among up to 32 elites. Lower "
            "model.num_elites.");
}

}  // namespace
}  // namespace mbrl
