// Tests that the hot stages allocate nothing once they run: every operator new of this program and
// every allocation of Bullet are counted.
#include <LinearMath/btAlignedAllocator.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/shell_word.h"
#include "envs/pool.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/policy/policy.h"
#include "kernels/stages/ppo/gae.h"
#include "kernels/stages/ppo/ppo_update.h"
#include "kernels/stages/rollout/rollout.h"
#include "kernels/stages/sac/sac_update.h"
#include "tests/envs/environments.h"
#include "tests/support/temporary_directory.h"

namespace {
std::atomic<long> num_allocations{0};
}

void* operator new(std::size_t size) {
  ++num_allocations;
  void* p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void* operator new[](std::size_t size) { return operator new(size); }
// not inlined, else the compiler believes that free() gets what a foreign operator new made
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace {
std::atomic<long> num_bullet_allocations{0};

void* bullet_alloc(std::size_t size) {
  ++num_bullet_allocations;
  return std::malloc(size);
}
}  // namespace

namespace mbrl {
namespace {

TEST(AllocationTest, TheCounterCounts) {
  const long before = num_allocations;
  std::vector<int> v(10);
  EXPECT_GT(num_allocations, before);
}

TEST(AllocationTest, HotStagesAllocateNothing) {
  ThreadPool pool(2);
  Stream stream(pool);
  EnvOptions options;
  EnvPool envs(options, 2, 1, pool);
  envs.reset();
  const TransitionLayout layout{11, 3};
  Buffer<float> records(1000u * layout.pitch(), 0.1f);
  const TransitionsView data{records.data(), layout, 1000};

  SacState sac(11, 3, {32, 32});
  init_sac(sac, 1, 0, 1.0f);
  SacWorkspace sac_workspace(stream, sac, 64);
  PolicyWorkspace policy_workspace(stream, sac.actor, 2);
  EnsembleState model(3, layout, 24, 2);
  init_ensemble(model, 1, 0, 0.5f, -10.0f);
  EnsembleWorkspace model_workspace(stream, model, 64);
  const EnsembleConstants constants{{1e-3f}, {0, 0, 0}, 0.01f};
  std::vector<std::uint32_t> indices(3 * 64, 3);
  const Matrix<const std::uint32_t> rows(indices.data(), 3, 64);
  RolloutWorkspace rollout_workspace(stream, sac.actor, model, 200, 3);
  Buffer<float> ring(400u * layout.pitch());
  std::vector<double> mse(3);
  std::vector<float> actions(6, 0.1f);
  const MixedSource source{data, data, 5};
  const SacConstants sac_constants{.batch_size = 64};

  PpoState ppo(
      {.observation_size = 11, .hidden_sizes = {32}, .heads = {}, .action_size = 3, .value = true});
  init_ppo(ppo, {1, purpose::kInit, 0});
  PpoWorkspace ppo_workspace(stream, ppo, 64);
  std::vector<float> steps(6 * 192, 0.5f), log_prob(2), value(2);
  const Matrix<const float> step(steps.data(), 96, 2);
  const PpoBatch ppo_batch{{records.data(), 192, 11},
                           {steps.data(), 192, 3},
                           {steps.data(), 192, 1},
                           {steps.data(), 192},
                           {steps.data(), 192}};
  std::vector<PpoLosses> ppo_losses(3);

  const auto work = [&] {
    policy_act(stream, sac.actor,
               {.observation = envs.observation(), .action = {actions.data(), 2, 3}, .key = {}},
               policy_workspace);
    envs.step({actions.data(), 2, 3});
    sac_update(stream, sac, source, sac_constants, sac_workspace);
    ensemble_epoch(stream, model, data, rows, 64, constants, model_workspace);
    ensemble_holdout_mse(stream, model, data, {indices.data(), 64}, mse, model_workspace);
    rollout(stream, sac.actor, model, data, {ring.data(), 400, 0},
            {.num_rows = 200, .length = 2, .task = TaskId::kHopper}, rollout_workspace);
    ppo_act(stream, ppo,
            {.observation = envs.observation(),
             .action = {actions.data(), 2, 3},
             .log_prob = {log_prob.data(), 2, 1},
             .value = {value.data(), 2},
             .key = {}},
            ppo_workspace);
    gae(stream, {steps.data() + 192, 96, 2}, {steps.data() + 384, 96, 2},
        {step, step, step, step, step}, 0.99f, 0.95f);
    ppo_update(stream, ppo_losses, ppo, ppo_batch, rows, {.max_gradient_norm = 0.5f},
               ppo_workspace);
  };
  work();  // buffers grow to their sizes
  const long before = num_allocations;
  for (int i = 0; i < 5; ++i) work();
  EXPECT_EQ(num_allocations - before, 0);
}

// a mass on a rail, pushed
constexpr const char* kSlider = R"(<mujoco>
  <worldbody><body><joint name="rail" type="slide" axis="1 0 0"/><geom size="0.1"/></body></worldbody>
  <actuator><motor joint="rail" ctrllimited="true" ctrlrange="-1 1"/></actuator>
</mujoco>)";

class EnvAllocationTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Environments, EnvAllocationTest, testing::ValuesIn(env_names()),
                         [](const auto& robot) { return robot.param; });

TEST_P(EnvAllocationTest, EpisodesThatRunAgainAllocateNothing) {
  btAlignedAllocSetCustom(bullet_alloc, std::free);
  TemporaryDirectory folder;
  EnvOptions options;
  options.name = GetParam();
  const int steps = steps_to_walk(options.name, 200);
  options.max_episode_steps = steps / 4;
  if (options.name == "mjcf") options.mjcf.model = folder.write("slider.xml", kSlider);
  if (options.name == "process") options.command = shell_word(MBRL_FAULTY_SERVER) + " fine";
  ThreadPool pool(2);
  EnvPool envs(options, 2, 1, pool);
  const auto A = static_cast<std::size_t>(envs.spec().action_size);
  std::vector<float> actions(2 * A);

  const auto run_episodes = [&] {
    int num_ends = 0;
    envs.reset();
    for (std::uint32_t t = 0; t < static_cast<std::uint32_t>(steps); ++t) {
      for (std::uint32_t i = 0; i < actions.size(); ++i)
        actions[i] = 2.0f * uniform01(RandomKey{9}.bits(t, i).x) - 1.0f;
      const PoolStep step = envs.step({actions.data(), 2, static_cast<int>(A)});
      for (int env = 0; env < 2; ++env) num_ends += step.terminated[env] || step.truncated[env];
    }
    return num_ends;
  };
  // Bullet's buffers grow to the most limits and contacts that were ever active at once
  EXPECT_GE(run_episodes(), 8);
  const long before = num_allocations, bullet_before = num_bullet_allocations;
  run_episodes();
  EXPECT_EQ(num_allocations - before, 0);
  EXPECT_EQ(num_bullet_allocations - bullet_before, 0);
}

TEST(AllocationTest, TheCounterOfBulletCounts) {
  btAlignedAllocSetCustom(bullet_alloc, std::free);
  const long before = num_bullet_allocations;
  EnvOptions options;
  options.name = "hopper_bullet";
  make_env(options);
  EXPECT_GT(num_bullet_allocations, before);
}

}  // namespace
}  // namespace mbrl
