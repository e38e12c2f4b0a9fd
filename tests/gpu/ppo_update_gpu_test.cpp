// Tests for kernels/stages/ppo/ppo_update.cu: the GPU against its CPU twin.
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "kernels/stages/ppo/ppo_update.h"
#include "tests/support/devices.h"
#include "tests/support/problems.h"

namespace mbrl {
namespace {

// a problem's state and batch on the GPU
struct DeviceProblem {
  explicit DeviceProblem(const PpoProblem& p)
      : state(copy_to(Memory::kDevice, p.state)),
        observation(copy_to(Memory::kDevice, p.observation)),
        action(copy_to(Memory::kDevice, p.action)),
        log_prob(copy_to(Memory::kDevice, p.log_prob)),
        advantage(copy_to(Memory::kDevice, p.advantage)),
        value_target(copy_to(Memory::kDevice, p.value_target)),
        shape(p.shape) {}

  PpoBatch batch() const {
    constexpr int M = PpoProblem::kRows;
    return {{observation.data(), M, shape.observation_size},
            {action.data(), M, shape.num_actions()},
            {log_prob.data(), M, shape.num_log_probs()},
            {advantage.data(), M},
            {value_target.data(), M}};
  }

  PpoState state;
  Buffer<float> observation, action, log_prob, advantage, value_target;
  PpoShape shape;
};

double state_error(const PpoState& gpu, const PpoState& cpu) {
  double worst = 0.0;
  const auto compare = [&](const TrainedParameters& a, const TrainedParameters& b) {
    for (const auto part :
         {&TrainedParameters::value, &TrainedParameters::m, &TrainedParameters::v}) {
      const double error = relative_error(a.*part, b.*part);
      worst = error <= worst ? worst : error;
    }
  };
  compare(gpu.policy, cpu.policy);
  compare(gpu.log_std, cpu.log_std);
  compare(gpu.value, cpu.value);
  return worst;
}

PpoShape named_shape(const std::string& name) {
  PpoShape shape = name.starts_with("categorical") ? categorical_shape() : gaussian_shape();
  if (name.ends_with("alone")) shape.value = false;
  return shape;
}

std::vector<PpoLosses> update(Stream& stream, PpoState& state, const PpoBatch& batch,
                              const std::uint32_t* rows, int num_updates, int B,
                              const PpoConstants& constants, PpoWorkspace& workspace) {
  std::vector<PpoLosses> losses(static_cast<std::size_t>(num_updates));
  ppo_update(stream, losses, state, batch, {rows, num_updates, B}, constants, workspace);
  return losses;
}

class PpoUpdateGpuTest : public GpuTest,
                         public testing::WithParamInterface<std::tuple<std::string, int>> {};

TEST_P(PpoUpdateGpuTest, OneUpdateIsThatOfTheCpu) {
  const auto& [name, B] = GetParam();
  for (const float limit : {0.0f, 0.1f}) {
    PpoProblem cpu(named_shape(name));
    cpu.constants.max_gradient_norm = limit;
    DeviceProblem gpu(cpu);
    TwinStreams streams;
    const std::vector<std::uint32_t> rows = PpoProblem::rows(1, B);
    const auto device_rows = copy_to(Memory::kDevice, rows);
    PpoWorkspace a(streams.cpu, cpu.state, B), b(streams.gpu, gpu.state, B);
    const PpoLosses wanted =
        update(streams.cpu, cpu.state, cpu.batch(), rows.data(), 1, B, cpu.constants, a)[0];
    const PpoLosses got =
        update(streams.gpu, gpu.state, gpu.batch(), device_rows.data(), 1, B, cpu.constants, b)[0];
    EXPECT_NEAR(got.policy_loss, wanted.policy_loss, 2e-5);
    EXPECT_NEAR(got.value_loss, wanted.value_loss, 2e-5 * (1.0 + wanted.value_loss));
    EXPECT_NEAR(got.entropy, wanted.entropy, 2e-5);
    EXPECT_NEAR(got.approx_kl, wanted.approx_kl, 2e-5);
    EXPECT_NEAR(got.clip_fraction, wanted.clip_fraction, 1e-6);
    EXPECT_LT(state_error(gpu.state, cpu.state), 4e-5) << "limit " << limit;
    EXPECT_EQ(gpu.state.num_updates, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, PpoUpdateGpuTest,
                         testing::Combine(testing::Values("categorical", "gaussian",
                                                          "categorical_alone", "gaussian_alone"),
                                          testing::Values(1, 31, 33, 70)),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "_" +
                                  std::to_string(std::get<1>(test.param));
                         });

using PpoGpuTest = GpuTest;

TEST_F(PpoGpuTest, WiderThanOneTurnOfTheWarpsAndThreeLayersDeep) {
  PpoShape shape = gaussian_shape();
  shape.hidden_sizes = {272, 33, 18};
  PpoProblem cpu(shape);
  DeviceProblem gpu(cpu);
  TwinStreams streams;
  const std::vector<std::uint32_t> rows = PpoProblem::rows(1, 20);
  const auto device_rows = copy_to(Memory::kDevice, rows);
  PpoWorkspace a(streams.cpu, cpu.state, 20), b(streams.gpu, gpu.state, 20);
  update(streams.cpu, cpu.state, cpu.batch(), rows.data(), 1, 20, cpu.constants, a);
  update(streams.gpu, gpu.state, gpu.batch(), device_rows.data(), 1, 20, cpu.constants, b);
  EXPECT_LT(state_error(gpu.state, cpu.state), 4e-5);
}

TEST_F(PpoGpuTest, AGraphRepeatsWhatTheEagerLaunchesDoAndFollowsTheCpu) {
  for (const char* name : {"categorical", "gaussian"}) {
    PpoProblem cpu(named_shape(name));
    DeviceProblem graph(cpu), eager(cpu);
    TwinStreams with, without;
    without.gpu.set_use_graphs(false);
    with.gpu.set_precision(Precision::kBf16);  // changes nothing here
    PpoWorkspace a(with.gpu, graph.state, 33), b(without.gpu, eager.state, 33),
        c(with.cpu, cpu.state, 33);
    // the third call repeats the second one's recording with other rows, constants and advantages;
    // the fourth is longer, the last one has fewer rows
    int call = 0;
    for (const auto& [num_updates, B] : {std::pair{3, 33}, {3, 33}, {3, 33}, {5, 33}, {3, 20}}) {
      std::vector<std::uint32_t> rows = PpoProblem::rows(num_updates, B);
      std::rotate(rows.begin(), rows.begin() + call, rows.end());
      const auto device_rows = copy_to(Memory::kDevice, rows);
      cpu.constants.max_gradient_norm = call == 2 ? 0.05f : 0.0f;
      cpu.constants.adam.learning_rate = 1e-3f / static_cast<float>(1 + call);
      cpu.advantage[0] = static_cast<float>(call);
      graph.advantage = copy_to(Memory::kDevice, cpu.advantage);
      eager.advantage = copy_to(Memory::kDevice, cpu.advantage);
      const auto one = update(with.gpu, graph.state, graph.batch(), device_rows.data(), num_updates,
                              B, cpu.constants, a);
      const auto two = update(without.gpu, eager.state, eager.batch(), device_rows.data(),
                              num_updates, B, cpu.constants, b);
      const auto wanted =
          update(with.cpu, cpu.state, cpu.batch(), rows.data(), num_updates, B, cpu.constants, c);
      for (int i = 0; i < num_updates; ++i) {
        EXPECT_EQ(one[i].policy_loss, two[i].policy_loss);
        EXPECT_NEAR(one[i].policy_loss, wanted[i].policy_loss, 1e-4);
        EXPECT_NEAR(one[i].value_loss, wanted[i].value_loss, 1e-4);
      }
      ++call;
    }
    EXPECT_EQ(to_host(graph.state.policy.value), to_host(eager.state.policy.value));
    EXPECT_EQ(to_host(graph.state.log_std.v), to_host(eager.state.log_std.v));
    EXPECT_EQ(to_host(graph.state.value.m), to_host(eager.state.value.m));
    EXPECT_EQ(graph.state.num_updates, 17);
    EXPECT_LT(state_error(graph.state, cpu.state), 2e-3) << name;
  }
}

}  // namespace
}  // namespace mbrl
