// Tests that bf16 means the same on both devices: the stages of kernels/stages on the CPU and on the GPU,
// from the same parameters.
//
// Both round the operands of products to bf16 and sum in fp32. What is left apart are orders of sums,
// and with them roundings to bf16 that fall the other way; the GPU's swish is one instruction of
// bf16's accuracy, whose derivative it keeps in fp16, and its critics start backward from 1 rather
// than from the TD error.
#include <gtest/gtest.h>

#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/rollout/rollout.h"
#include "kernels/stages/sac/sac_update.h"
#include "tests/support/devices.h"
#include "tests/support/planning.h"
#include "tests/support/problems.h"

namespace mbrl {
namespace {

class CpuBf16GpuTest : public FormatGpuTest {};
INSTANTIATE_TEST_SUITE_P(Format, CpuBf16GpuTest, testing::Values(Precision::kBf16),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

struct Bf16Streams : TwinStreams {
  Bf16Streams() {
    cpu.set_precision(Precision::kBf16);
    gpu.set_precision(Precision::kBf16);
  }
};

// in norm. On the emulator SAC's states are 3e-3 apart, the ensemble's 6e-4
constexpr double kAllowed = 5e-3;

// largest relative difference over the arrays that differ from `before`
template <typename State>
double state_error(const State& gpu, const State& cpu) {
  std::vector<const Buffer<float>*> of_cpu;
  for_each_array(cpu, [&](const char*, const Buffer<float>& array) { of_cpu.push_back(&array); });
  std::size_t i = 0;
  double worst = 0.0;
  for_each_array(gpu, [&](const char*, const Buffer<float>& array) {
    const Buffer<float>& wanted = *of_cpu[i++];
    if (wanted.size() == 0) return;
    const double error = relative_error(array, wanted);
    worst = error <= worst ? worst : error;
  });
  return worst;
}

// Both devices' states after a step in bf16, and the CPU's in fp32: the first two are nearer to each
// other than to the third.
template <typename State>
void expect_alike(const State& gpu, const State& cpu, const State& fp32) {
  EXPECT_LT(state_error(gpu, cpu), kAllowed);
  EXPECT_LT(state_error(gpu, cpu), 0.5 * state_error(cpu, fp32));
}

TEST_P(CpuBf16GpuTest, OneSacUpdateIsThatOfTheCpu) {
  for (const bool simultaneous : {false, true}) {
    SacProblem p(70, 20);
    p.leave_the_start();
    p.constants.simultaneous = simultaneous;
    SacState on_gpu = copy_to(Memory::kDevice, p.state), exact = copy_to(Memory::kHost, p.state);
    const Buffer<float> records = on_device(p.records);
    Bf16Streams streams;
    SacWorkspace cpu(streams.cpu, p.state, 70), gpu(streams.gpu, on_gpu, 70);
    const SacLosses wanted = sac_update(streams.cpu, p.state, p.source(), p.constants, cpu);
    const SacLosses got = sac_update(streams.gpu, on_gpu, p.source(records), p.constants, gpu);
    for (int i = 0; i < 2; ++i)
      EXPECT_NEAR(got.critic_loss[i], wanted.critic_loss[i], 2e-3 * wanted.critic_loss[i]);
    EXPECT_NEAR(got.actor_loss, wanted.actor_loss, 2e-3 * (1.0 + std::abs(wanted.actor_loss)));
    EXPECT_NEAR(got.mean_q, wanted.mean_q, 2e-3 * (1.0 + std::abs(wanted.mean_q)));
    EXPECT_NEAR(got.entropy, wanted.entropy, 2e-3 * (1.0 + std::abs(wanted.entropy)));
    ThreadPool pool(1);
    Stream fp32(pool);
    SacWorkspace in_fp32(fp32, exact, 70);
    sac_update(fp32, exact, p.source(), p.constants, in_fp32);
    expect_alike(on_gpu, p.state, exact);
  }
}

TEST_P(CpuBf16GpuTest, OneEnsembleStepIsThatOfTheCpu) {
  EnsembleProblem p(3, 33);
  p.leave_the_start();
  EnsembleState on_gpu = copy_to(Memory::kDevice, p.state), exact = copy_to(Memory::kHost, p.state);
  const Buffer<float> records = on_device(p.records);
  const Buffer<std::uint32_t> rows = copy_to(Memory::kDevice, p.rows);
  Bf16Streams streams;
  EnsembleWorkspace cpu(streams.cpu, p.state, 33), gpu(streams.gpu, on_gpu, 33);
  const EnsembleEpoch wanted =
      ensemble_epoch(streams.cpu, p.state, p.view(), p.batch(), 33, p.constants, cpu);
  const EnsembleEpoch got = ensemble_epoch(streams.gpu, on_gpu, p.view(records),
                                           p.batch(rows.data()), 33, p.constants, gpu);
  EXPECT_NEAR(got.loss, wanted.loss, 2e-3 * std::abs(wanted.loss));
  ThreadPool pool(1);
  Stream fp32(pool);
  EnsembleWorkspace in_fp32(fp32, exact, 33);
  ensemble_epoch(fp32, exact, p.view(), p.batch(), 33, p.constants, in_fp32);
  expect_alike(on_gpu, p.state, exact);
}

TEST_P(CpuBf16GpuTest, ARolloutIsThatOfTheCpu) {
  RolloutProblem p(130, 1);
  const GaussianActor policy = copy_to(Memory::kDevice, p.policy);
  const EnsembleState model = copy_to(Memory::kDevice, p.model);
  const Buffer<float> records = on_device(p.records);
  Bf16Streams streams;
  const auto imagined = [&](Stream& stream, const GaussianActor& actor,
                            const EnsembleState& members, const Buffer<float>& from) {
    RolloutWorkspace workspace(stream, actor, members, 130, 3);
    Buffer<float> ring(static_cast<std::size_t>(130) * p.layout.pitch(), -7.0f, stream.memory());
    rollout(stream, actor, members, p.view(from), {ring.data(), 130, 0}, p.constants, workspace);
    return to_host(ring);
  };
  EXPECT_LT(relative_error(imagined(streams.gpu, policy, model, records),
                           imagined(streams.cpu, p.policy, p.model, p.records)),
            1e-3);
}

TEST_P(CpuBf16GpuTest, PlansAreThoseOfTheCpu) {
  PlanLearner l(2, plan_form(EnsembleLoss::kGaussianNll), 20, 2);
  for (int e = 0; e < 2; ++e)
    random_biases(l.model.layout, l.model.member(e), {5, purpose::kInit, 0}, e, 0.5f);
  l.constants.method = PlanMethod::kMppi;
  l.constants.temperature = 4.0f;
  for (int i = 0; i < PlanLearner::kS; ++i) l.model.max_logvar()[i] = -1.0f;
  const Planned cpu = plan_once(On::kCpu, l, 1, Precision::kBf16);
  const Planned gpu = plan_once(On::kGpu, l, 1, Precision::kBf16);
  const Planned exact = plan_once(On::kCpu, l, 1);
  EXPECT_LT(relative_error(gpu.mean, cpu.mean), kAllowed);
  EXPECT_LT(relative_error(gpu.mean, cpu.mean), 0.5 * relative_error(cpu.mean, exact.mean));
}

}  // namespace
}  // namespace mbrl
