// Tests for kernels/stages/sac/sac_update.cu and kernels/stages/policy/policy.cu: the GPU against
// its CPU twin.
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "host/algo/draws.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/policy/policy.h"
#include "kernels/stages/sac/sac_update.h"
#include "tests/support/devices.h"
#include "tests/support/problems.h"

namespace mbrl {
namespace {

constexpr int kS = 5, kA = 2;

// the same problem on both devices
struct Problem : SacProblem {
  SacState& cpu = state;
  SacState gpu;
  Buffer<float> device_records;

  Problem(int batch_size, int real, const std::vector<int>& hidden = {40, 24})
      : SacProblem(batch_size, real, hidden),
        gpu(copy_to(Memory::kDevice, state)),
        device_records(on_device(records)) {}
};

// largest relative error over all parameters that an update changes
double state_error(const SacState& gpu, const SacState& cpu) {
  double worst = 0.0;
  const auto compare = [&](const Buffer<float>& a, const Buffer<float>& b) {
    const double error = relative_error(a, b);
    worst = error <= worst ? worst : error;
  };
  for (int i = 0; i < 2; ++i) {
    compare(gpu.critics.critic[i].value, cpu.critics.critic[i].value);
    compare(gpu.critics.critic[i].m, cpu.critics.critic[i].m);
    compare(gpu.critics.critic[i].v, cpu.critics.critic[i].v);
    compare(gpu.critics.target[i], cpu.critics.target[i]);
  }
  compare(gpu.actor.parameters.value, cpu.actor.parameters.value);
  compare(gpu.actor.parameters.m, cpu.actor.parameters.m);
  compare(gpu.actor.parameters.v, cpu.actor.parameters.v);
  compare(gpu.log_alpha.value, cpu.log_alpha.value);
  compare(gpu.log_alpha.m, cpu.log_alpha.m);
  return worst;
}

class SacUpdateGpuTest : public GpuTest,
                         public testing::WithParamInterface<std::tuple<int, Products>> {};

TEST_P(SacUpdateGpuTest, OneUpdateIsThatOfTheCpu) {
  const auto [batch, products] = GetParam();
  if (const std::string why = products.missing(); !why.empty()) GTEST_SKIP() << why;
  unless_refused([&] {
    for (const bool simultaneous : {false, true}) {
      Problem p(batch, batch / 3);
      p.constants.simultaneous = simultaneous;
      TwinStreams streams;
      streams.gpu.set_precision(products.precision);
      SacWorkspace cpu(streams.cpu, p.cpu, batch),
          gpu(streams.gpu, p.gpu, batch, products.provider);
      const SacLosses wanted =
          sac_update(streams.cpu, p.cpu, p.source(p.records), p.constants, cpu);
      const SacLosses got =
          sac_update(streams.gpu, p.gpu, p.source(p.device_records), p.constants, gpu);

      const double allowed = step_tolerance(products.precision);
      EXPECT_NEAR(got.critic_loss[0], wanted.critic_loss[0], allowed * wanted.critic_loss[0]);
      EXPECT_NEAR(got.critic_loss[1], wanted.critic_loss[1], allowed * wanted.critic_loss[1]);
      EXPECT_NEAR(got.actor_loss, wanted.actor_loss, allowed * (1.0 + std::abs(wanted.actor_loss)));
      EXPECT_NEAR(got.mean_q, wanted.mean_q, allowed * (1.0 + std::abs(wanted.mean_q)));
      EXPECT_NEAR(got.entropy, wanted.entropy, allowed * (1.0 + std::abs(wanted.entropy)));
      EXPECT_EQ(got.alpha, wanted.alpha);
      EXPECT_LT(state_error(p.gpu, p.cpu), 2.0 * allowed);
      EXPECT_EQ(p.gpu.num_updates, 1);
    }
  });
}

const auto name_of_update = [](const auto& test) {
  return "batch" + std::to_string(std::get<0>(test.param)) + "_" + std::get<1>(test.param).name();
};
INSTANTIATE_TEST_SUITE_P(Sizes, SacUpdateGpuTest,
                         testing::Combine(testing::Values(1, 31, 33, 70),
                                          testing::ValuesIn(kAllProducts)),
                         name_of_update);
// more stages of the batch than shared memory holds at once, the last of three rows
INSTANTIATE_TEST_SUITE_P(ManyStages, SacUpdateGpuTest,
                         testing::Combine(testing::Values(6 * 64 + 3),
                                          testing::ValuesIn(kFusedInEachFormat)),
                         name_of_update);

using SacGpuTest = GpuTest;

TEST_F(SacGpuTest, ManyUpdatesInOneCallFollowTheCpu) {
  Problem p(33, 10);
  TwinStreams streams;
  SacWorkspace cpu(streams.cpu, p.cpu, 33), gpu(streams.gpu, p.gpu, 33);
  std::vector<SacLosses> wanted(4), got(4);
  for (int call = 0; call < 3; ++call) {
    sac_update(streams.cpu, wanted, p.cpu, p.source(p.records), p.constants, cpu);
    sac_update(streams.gpu, got, p.gpu, p.source(p.device_records), p.constants, gpu);
  }
  EXPECT_EQ(p.gpu.num_updates, 12);
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(got[i].critic_loss[0], wanted[i].critic_loss[0], 1e-4) << i;
  EXPECT_LT(state_error(p.gpu, p.cpu), 2e-3);
}

TEST_F(SacGpuTest, AWorkspaceIsOfOnePrecision) {
  Problem p(33, 10);
  EnsembleProblem e(2, 8);
  EnsembleState model = copy_to(Memory::kDevice, e.state);
  TwinStreams streams;
  SacWorkspace gpu(streams.gpu, p.gpu, 33);
  EnsembleWorkspace ensemble(streams.gpu, model, 8);
  const Buffer<float> records = on_device(e.records);
  const Buffer<std::uint32_t> rows = copy_to(Memory::kDevice, e.rows);
  streams.gpu.set_precision(Precision::kBf16);
  EXPECT_THROW(sac_update(streams.gpu, p.gpu, p.source(p.device_records), p.constants, gpu),
               std::logic_error);
  EXPECT_THROW(ensemble_epoch(streams.gpu, model, e.view(records), e.batch(rows.data()), 8,
                              e.constants, ensemble),
               std::logic_error);
}

class SacFormatGpuTest : public FormatGpuTest {};
INSTANTIATE_TEST_SUITE_P(Formats, SacFormatGpuTest, testing::ValuesIn(kAllPrecisions),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

// within a call each update's rounded copies of the weights are those that the next one reads
TEST_P(SacFormatGpuTest, ACallOfManyUpdatesIsAsManyCalls) {
  for (const bool simultaneous : {false, true}) {
    Problem one_call(33, 10), calls(33, 10);
    one_call.constants.simultaneous = calls.constants.simultaneous = simultaneous;
    TwinStreams a, b;
    a.gpu.set_precision(GetParam());
    b.gpu.set_precision(GetParam());
    SacWorkspace at_once(a.gpu, one_call.gpu, 33), one_by_one(b.gpu, calls.gpu, 33);
    std::vector<SacLosses> losses(3);
    sac_update(a.gpu, losses, one_call.gpu, one_call.source(one_call.device_records),
               one_call.constants, at_once);
    for (std::size_t i = 0; i < losses.size(); ++i)
      sac_update(b.gpu, calls.gpu, calls.source(calls.device_records), calls.constants, one_by_one);
    EXPECT_EQ(state_error(one_call.gpu, calls.gpu), 0.0);
  }
}

// critics that hardly tell actions apart and a low temperature: in fp16 the actor's gradients begin near
// 1e-6. Adam's first moments hold a tenth of them.
TEST_F(SacGpuTest, SmallGradientsReachTheFirstLayerInFp16) {
  for (const GemmProvider provider : {GemmProvider::kFused, GemmProvider::kCublasLt}) {
    const Products products{Precision::kFp16, provider};
    if (!products.missing().empty()) continue;
    unless_refused([&] {
      Problem p(70, 20);
      const LayerLayout& last = p.cpu.critics.layout.layers.back();
      for (int i = 0; i < 2; ++i)
        for (std::size_t at = last.weight; at < last.bias; ++at)
          p.cpu.critics.critic[i].value[at] *= 1e-3f;
      p.cpu.log_alpha.value[0] = -12.0f;
      p.constants.simultaneous = true;  // the actor sees these critics, not those after Adam's step
      p.gpu = copy_to(Memory::kDevice, p.cpu);
      TwinStreams streams;
      streams.gpu.set_precision(Precision::kFp16);
      SacWorkspace cpu(streams.cpu, p.cpu, 70), gpu(streams.gpu, p.gpu, 70, provider);
      sac_update(streams.cpu, p.cpu, p.source(p.records), p.constants, cpu);
      sac_update(streams.gpu, p.gpu, p.source(p.device_records), p.constants, gpu);
      EXPECT_LT(relative_error(p.gpu.actor.parameters.m, p.cpu.actor.parameters.m), 1e-2)
          << products.name();
      for (int i = 0; i < 2; ++i)
        EXPECT_LT(relative_error(p.gpu.critics.critic[i].m, p.cpu.critics.critic[i].m), 1e-2)
            << products.name();
    });
  }
}

TEST_F(SacGpuTest, WiderThanOneTurnOfTheWarpsAndThreeLayersDeep) {
  Problem p(20, 20, {272, 33, 18});
  TwinStreams streams;
  SacWorkspace cpu(streams.cpu, p.cpu, 20), gpu(streams.gpu, p.gpu, 20);
  sac_update(streams.cpu, p.cpu, p.source(p.records), p.constants, cpu);
  sac_update(streams.gpu, p.gpu, p.source(p.device_records), p.constants, gpu);
  EXPECT_LT(state_error(p.gpu, p.cpu), 4e-5);
}

// a recording holds the addresses of observations and actions, which more rows move
TEST_F(SacGpuTest, ActionsForMoreRowsLeaveNoOldRecording) {
  Problem graph(33, 10), eager(33, 10);
  TwinStreams with, without;
  without.gpu.set_use_graphs(false);
  SacWorkspace a(with.gpu, graph.gpu, 33), b(without.gpu, eager.gpu, 33);
  std::uint64_t call = 0;
  for (const int rows : {1, 1, 1, 40, 1, 40, 1}) {
    std::vector<float> observation(static_cast<std::size_t>(rows) * kS), actions[2];
    for (std::size_t i = 0; i < observation.size(); ++i)
      observation[i] = 0.1f * static_cast<float>((call + 3 * i) % 17);
    const auto act = [&](std::vector<float>& action) {
      action.assign(static_cast<std::size_t>(rows) * kA, -9.0f);
      return ActRequest{{observation.data(), rows, kS},
                        {action.data(), rows, kA},
                        true,
                        RandomKey{4, purpose::kActionNoise, 0},
                        call,
                        {}};
    };
    const ActRequest act_a = act(actions[0]), act_b = act(actions[1]);
    std::vector<SacLosses> losses(2);
    sac_update(with.gpu, losses, graph.gpu, graph.source(graph.device_records), graph.constants, a,
               &act_a);
    sac_update(without.gpu, losses, eager.gpu, eager.source(eager.device_records), eager.constants,
               b, &act_b);
    EXPECT_EQ(actions[0], actions[1]) << "call " << call << ", rows " << rows;
    ++call;
  }
}

class SacGraphGpuTest : public GpuTest,
                        public testing::WithParamInterface<std::tuple<Products, bool>> {};

TEST_P(SacGraphGpuTest, AGraphRepeatsWhatTheEagerLaunchesDo) {
  const auto [products, simultaneous] = GetParam();
  if (const std::string why = products.missing(); !why.empty()) GTEST_SKIP() << why;
  unless_refused([&] {
    Problem graph(33, 10), eager(33, 10);
    graph.constants.simultaneous = eager.constants.simultaneous = simultaneous;
    TwinStreams with, without;
    with.gpu.set_precision(products.precision);
    without.gpu.set_precision(products.precision);
    without.gpu.set_use_graphs(false);
    SacWorkspace a(with.gpu, graph.gpu, 33, products.provider),
        b(without.gpu, eager.gpu, 33, products.provider);
    std::vector<SacLosses> losses(3);
    std::vector<float> observation(kS, 0.3f), action_a(kA), action_b(kA);
    float density_a = -9.0f, density_b = -9.0f;
    PolicyWorkspace acting(with.gpu, graph.gpu.actor, 1);
    for (std::uint64_t call = 0; call < 3; ++call) {
      const RandomKey key{4, purpose::kActionNoise, 0};
      const auto act = [&](std::vector<float>& action, float& density) {
        return ActRequest{
            {observation.data(), 1, kS}, {action.data(), 1, kA}, true, key, call, {&density, 1}};
      };
      const ActRequest act_a = act(action_a, density_a), act_b = act(action_b, density_b);
      sac_update(with.gpu, losses, graph.gpu, graph.source(graph.device_records), graph.constants,
                 a, &act_a);
      sac_update(without.gpu, losses, eager.gpu, eager.source(eager.device_records),
                 eager.constants, b, &act_b);
      EXPECT_EQ(action_a, action_b) << call;
      EXPECT_EQ(density_a, density_b) << call;
      // asked for by itself
      policy_log_prob(with.gpu, graph.gpu.actor, {observation.data(), 1, kS},
                      {action_a.data(), 1, kA}, {&density_b, 1}, acting);
      EXPECT_EQ(density_a, density_b) << call;
    }
    EXPECT_EQ(to_host(graph.gpu.actor.parameters.value), to_host(eager.gpu.actor.parameters.value));
    EXPECT_EQ(to_host(graph.gpu.critics.critic[1].v), to_host(eager.gpu.critics.critic[1].v));
    EXPECT_EQ(to_host(graph.gpu.critics.target[0]), to_host(eager.gpu.critics.target[0]));
  });
}

INSTANTIATE_TEST_SUITE_P(Providers, SacGraphGpuTest,
                         testing::Combine(testing::ValuesIn(kOneOfEachProvider), testing::Bool()),
                         [](const auto& test) {
                           return std::get<0>(test.param).name() +
                                  (std::get<1>(test.param) ? "_simultaneous" : "_sequential");
                         });

TEST_F(SacGpuTest, ReplaysMayGrowAndMoveBetweenCalls) {
  Problem p(33, 10);
  TwinStreams streams;
  SacWorkspace cpu(streams.cpu, p.cpu, 33), gpu(streams.gpu, p.gpu, 33);
  const Buffer<float> moved = on_device(p.records);
  for (const std::size_t size : {std::size_t{5}, std::size_t{40}}) {
    MixedSource on_cpu = p.source(p.records);
    MixedSource on_gpu = p.source(size == 5 ? p.device_records : moved);
    on_cpu.imagined.size = on_gpu.imagined.size = size;
    sac_update(streams.cpu, p.cpu, on_cpu, p.constants, cpu);
    sac_update(streams.gpu, p.gpu, on_gpu, p.constants, gpu);
  }
  EXPECT_LT(state_error(p.gpu, p.cpu), 1e-3);
}

TEST_F(SacGpuTest, AnyArrayOfTheStateMayMoveBetweenCalls) {
  Problem p(33, 10);
  TwinStreams streams;
  SacWorkspace cpu(streams.cpu, p.cpu, 33), gpu(streams.gpu, p.gpu, 33);
  std::vector<Buffer<float>*> arrays{&p.gpu.critics.target[0], &p.gpu.critics.target[1]};
  for (TrainedParameters* trained : {&p.gpu.actor.parameters, &p.gpu.critics.critic[0],
                                     &p.gpu.critics.critic[1], &p.gpu.log_alpha})
    for (Buffer<float>* array : {&trained->value, &trained->m, &trained->v})
      arrays.push_back(array);
  move_each(arrays, [&] {
    sac_update(streams.cpu, p.cpu, p.source(p.records), p.constants, cpu);
    sac_update(streams.gpu, p.gpu, p.source(p.device_records), p.constants, gpu);
  });
  EXPECT_LT(state_error(p.gpu, p.cpu), 1e-3);
}

class PolicyGpuTest : public FormatGpuTest {};

TEST_P(PolicyGpuTest, ActionsAreThoseOfTheCpu) {
  Problem p(33, 10);
  TwinStreams streams;
  streams.gpu.set_precision(GetParam());
  for (const bool stochastic : {false, true}) {
    for (const int rows : {1, 15, 17, 40}) {
      PolicyWorkspace cpu(streams.cpu, p.cpu.actor, rows), gpu(streams.gpu, p.gpu.actor, rows);
      std::vector<float> observation(static_cast<std::size_t>(rows) * kS);
      for (std::size_t i = 0; i < observation.size(); ++i)
        observation[i] = std::sin(static_cast<float>(i));
      std::vector<float> wanted(static_cast<std::size_t>(rows) * kA), got(wanted.size(), -9.0f);
      const RandomKey key{4, purpose::kActionNoise, 2};
      const auto request = [&](std::vector<float>& action) {
        return ActRequest{
            {observation.data(), rows, kS}, {action.data(), rows, kA}, stochastic, key, 77};
      };
      policy_act(streams.cpu, p.cpu.actor, request(wanted), cpu);
      policy_act(streams.gpu, p.gpu.actor, request(got), gpu);
      if (GetParam() == Precision::kFp32) {
        for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 2e-6) << i;
      } else {
        EXPECT_LT(relative_error(got, wanted), step_tolerance(GetParam())) << rows << " rows";
      }
    }
  }
}

TEST_P(PolicyGpuTest, DensitiesAreThoseOfTheCpu) {
  Problem p(33, 10);
  TwinStreams streams;
  streams.gpu.set_precision(GetParam());
  for (const int rows : {1, 15, 17, 40}) {
    PolicyWorkspace cpu(streams.cpu, p.cpu.actor, 40), gpu(streams.gpu, p.gpu.actor, 40);
    std::vector<float> observation(static_cast<std::size_t>(rows) * kS);
    std::vector<float> action(static_cast<std::size_t>(rows) * kA);
    for (std::size_t i = 0; i < observation.size(); ++i)
      observation[i] = std::sin(static_cast<float>(i));
    for (std::size_t i = 0; i < action.size(); ++i)
      action[i] = 0.9f * std::cos(static_cast<float>(i));
    action[0] = -1.0f;  // an end of the range
    // one more element each, which nobody may write
    const auto size = static_cast<std::size_t>(rows);
    std::vector<float> wanted(size + 1, -9.0f), got(size + 1, -9.0f);
    policy_log_prob(streams.cpu, p.cpu.actor, {observation.data(), rows, kS},
                    {action.data(), rows, kA}, {wanted.data(), rows}, cpu);
    policy_log_prob(streams.gpu, p.gpu.actor, {observation.data(), rows, kS},
                    {action.data(), rows, kA}, {got.data(), rows}, gpu);
    EXPECT_EQ(got.back(), -9.0f);
    if (GetParam() == Precision::kFp32) {
      for (std::size_t i = 0; i < size; ++i)
        EXPECT_NEAR(got[i], wanted[i], 2e-6 + 2e-6 * std::fabs(wanted[i])) << i;
    } else {
      EXPECT_LT(relative_error(got, wanted), step_tolerance(GetParam())) << rows << " rows";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, PolicyGpuTest, testing::ValuesIn(kAllPrecisions),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

}  // namespace
}  // namespace mbrl
