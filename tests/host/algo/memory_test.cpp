// Tests for host/algo/memory.{h,cpp} and every algorithm's estimate: beside what its learner holds.
#include "host/algo/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "envs/env.h"
#include "host/algo/registry.h"
#include "host/config/load.h"
#include "host/schedule/rollout_schedule.h"
#include "kernels/data/transition.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"

namespace mbrl {
namespace {

// of the whole process
std::size_t allocated_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

class LearnerMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    // a sanitizer's allocator does not count for us
    const std::size_t before = allocated_bytes();
    void* volatile probe = std::malloc(1 << 20);
    const std::size_t after = allocated_bytes();
    std::free(probe);
    if (after < before + (1 << 20)) GTEST_SKIP() << "this program's allocator does not count";
  }

  // the learner's bytes after `steps`, beside the estimate
  void expect_estimate(const Config& config, int steps) {
    const EnvSpec spec = make_env(config.env)->spec();
    const Algorithm& algorithm = find_algorithm(config.algorithm);
    ThreadPool pool(1);
    Stream stream(pool);
    // a simulator's own memory depends on its robot
    const std::size_t at_first = allocated_bytes();
    std::vector<std::unique_ptr<Env>> simulators;
    const int num_envs = config.algorithm == "ppo" ? config.ppo.num_envs : 1;
    for (int i = 0; i < num_envs; ++i) simulators.push_back(make_env(config.env));
    const std::size_t before = allocated_bytes();
    const std::size_t of_simulators = before - at_first;
    const auto learner = make_learner(config, stream, {});
    while (learner->env_steps() < steps) learner->step();
    const auto held = static_cast<double>(allocated_bytes() - before - of_simulators);
    double said = static_cast<double>(algorithm.memory(config, spec, /*on_gpu=*/false));
    if (reads_section(algorithm, "planner") && steps == 0) {
      // what fits need for each row comes with the first fit
      Config first = config;
      first.loop.num_env_steps = 1;
      said = static_cast<double>(algorithm.memory(first, spec, /*on_gpu=*/false)) +
             static_cast<double>((config.loop.replay_capacity - 1) * record_bytes(spec));
    }
    if (reads_section(algorithm, "rollout")) {
      // the second model replay is there for a moment alone
      const std::size_t rows = model_replay_capacity(config, max_rollout_length(config));
      said -= static_cast<double>(rows * record_bytes(spec));
    }
    EXPECT_NEAR(said, held, 0.1 * held) << config.algorithm << " " << config.controller.file;
  }

  static std::size_t record_bytes(const EnvSpec& spec) {
    const TransitionLayout layout{spec.observation_size, spec.action_size};
    return static_cast<std::size_t>(layout.pitch()) * sizeof(float);
  }
};

// every learner that can be made, and one that a controller steers
std::vector<Config> each_learner(Config config) {
  std::vector<Config> all;
  for (const Algorithm& algorithm : list_algorithms()) {
    if (algorithm.make == nullptr) continue;
    config.algorithm = algorithm.name;
    all.push_back(config);
  }
  config.algorithm = "mbpo";
  config.controller.file = "a controller";
  all.push_back(config);
  return all;
}

TEST_F(LearnerMemoryTest, OfSmallNetworksIsWithinATenthOnceTheReplayIsFull) {
  Config config = small_mbpo("cartpole");
  config.loop.num_env_steps = config.loop.replay_capacity = 1000;
  config.rollout.batch_size = 1000;
  config.sac.updates_per_step = 1;
  config.ppo = small_ppo("cartpole").ppo;
  config.ppo.steps_per_update = 400;
  config.planner.max_population = 50000;
  for (Config c : each_learner(config)) {
    c.env.name = env_for(c.algorithm, c.env.name);
    expect_estimate(c, 1000);
  }
}

TEST_F(LearnerMemoryTest, AtHoppersSizesIsWithinATenthAsItIsMade) {
  Config config = load_config(find_config("hopper"));
  config.ppo = load_config(find_config("ppo_hopper")).ppo;
  for (Config c : each_learner(config)) {
    // memory is taken for all of the capacity, and counts where the run writes it; what fits need
    // for each row comes with the first fit
    if (reads_section(find_algorithm(c.algorithm), "rollout"))
      c.loop.replay_capacity = c.loop.num_env_steps;
    else
      c.loop.num_env_steps = c.loop.replay_capacity;
    expect_estimate(c, 0);
  }
}

TEST(MemoryTest, CountsRealAndImaginedRecordsByHand) {
  Config config = tiny_mbpo("pendulum");
  config.rollout.batch_size = 20;
  config.rollout.schedule = {0, 1, 1, 15};
  config.loop.epoch_length = 100;
  config.loop.model_train_interval = 25;
  config.loop.num_env_steps = 3000;
  config.loop.replay_capacity = 1000000;
  const EnvSpec spec = make_env(config.env)->spec();
  // 3 + 1 + 1 + 1 + 3 floats in whole sectors of 8
  const std::size_t record = 16 * sizeof(float);
  const auto bytes = [&](bool on_gpu) { return mbpo_bytes(config, spec, on_gpu); };
  const std::size_t usual = bytes(false);
  config.loop.num_env_steps = 4000;
  // a record; a place in the split, in two members' samples and orders; two members' sorts
  EXPECT_EQ(bytes(false) - usual, 1000 * (record + 5 * 5 + 2 * 20));
  EXPECT_GT(bytes(true), 1000000 * record) << "a GPU's ring is whole";
  config.loop.num_env_steps = 3000;
  // 4 fits an epoch of 20 rows and 15 steps, in two buffers; again as many with a second epoch
  config.rollout.retain_epochs = 2;
  EXPECT_EQ(bytes(false) - usual, 2 * 4 * 20 * 15 * record);
}

TEST(MemoryTest, CountsNetworksByHand) {
  Config config = small_mbpo("cartpole");
  config.sac.hidden_sizes = {32};
  const EnvSpec spec = make_env(config.env)->spec();
  const auto bytes = [&] { return soft_actor_critic_bytes(config, spec); };
  const std::size_t usual = bytes();
  // 48 more units: 16 weights and a bias each, and 16 outputs' weights; of the actor value and
  // moments, of two critics a target as well
  config.sac.hidden_sizes = {80};
  const std::size_t parameters = 48 * (16 + 1) + 2 * 48, critic = 48 * (16 + 1) + 48;
  const std::size_t networks = 4 * (3 * parameters + 2 * 4 * critic);
  // 32 rows of a tile: of the unit its value where a pass is made, and its gradient where it trains
  const std::size_t passes = 4 * 32 * 48 * (3 * 2 + 4 + 1 + 2 * 2);
  EXPECT_EQ(bytes() - usual, networks + passes);
}

TEST(MemoryTest, ThreeHundredTrialsOfThePublishedHalfCheetahTakeLessThanTwoGiB) {
  const Config config = load_config(find_config("pets_halfcheetah"));
  const EnvSpec spec = make_env(config.env)->spec();
  ASSERT_EQ(config.loop.num_env_steps, 301 * spec.max_episode_steps);
  for (const bool on_gpu : {false, true})
    EXPECT_LT(pets_bytes(config, spec, on_gpu), std::size_t{2} << 30) << on_gpu;
}

TEST(RequireMemoryTest, WhatDoesNotFitIsRefusedWithTheKeysThatTheRunReads) {
  Config config = small_mbpo("pendulum");
  const EnvSpec env = make_env(config.env)->spec();
  const Device cpu;
  EXPECT_GT(learner_bytes(config, env, cpu), 100000u);
  EXPECT_LT(learner_bytes(config, env, cpu), 100000000u);
  EXPECT_NO_THROW(require_memory(config, env, cpu));
  EXPECT_GT(free_bytes(cpu), std::size_t{1} << 28);

  config.rollout.batch_size = 10000000;
  config.rollout.retain_epochs = 1000000;
  EXPECT_THAT(error_text<DeviceError>([&] { require_memory(config, env, cpu); }),
              testing::MatchesRegex(
                  "this run will need about [0-9.]+ [KMGT]iB of memory at its largest; [0-9.]+ GiB "
                  "are free on cpu. Lower loop.replay_capacity, rollout.batch_size or "
                  "rollout.retain_epochs."));
}

TEST(MemoryKeysTest, AreThoseThatTheAlgorithmReads) {
  Config config;
  config.algorithm = "sac";
  EXPECT_EQ(memory_keys(config), "loop.replay_capacity");
  config.algorithm = "ppo";
  EXPECT_EQ(memory_keys(config), "ppo.num_envs or ppo.steps_per_update");
  config.algorithm = "mbpo";
  EXPECT_EQ(memory_keys(config),
            "loop.replay_capacity, rollout.batch_size or rollout.retain_epochs");
}

}  // namespace
}  // namespace mbrl
