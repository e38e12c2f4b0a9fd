// Tests for whole learners on a GPU: they follow the CPU at first, repeat themselves, and resume.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/algo/mbpo.h"
#include "host/algo/ppo.h"
#include "host/algo/registry.h"
#include "host/analysis/model_error.h"
#include "host/run/resume.h"
#include "host/tune/autombpo/controller.h"
#include "host/tune/autombpo/steering.h"
#include "tests/support/configs.h"
#include "tests/support/gpu.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using LearnerGpuTest = GpuTest;

Config small_config() {
  Config c = small_mbpo("cartpole");
  c.model.weight_decay = {1e-4f, 1e-4f, 1e-4f};
  return c;
}

nlohmann::json replay_size(Learner& learner) {
  StateWriter writer;
  learner.visit(writer);
  return writer.state.at("real_replay").at("size");
}

std::unique_ptr<Learner> make(Stream& stream, const Config& config) {
  return make_learner(config, stream, {});
}

// the learner after `steps` environment steps past exploration
std::unique_ptr<Learner> train(Stream& stream, const Config& config, int steps) {
  std::unique_ptr<Learner> learner = make(stream, config);
  while (learner->train_steps() < steps) learner->step();
  return learner;
}

TEST_F(LearnerGpuTest, FollowsTheCpuInItsFirstUpdates) {
  TwinStreams streams;
  const auto cpu = train(streams.cpu, small_config(), 4);
  const auto gpu = train(streams.gpu, small_config(), 4);
  EXPECT_EQ(gpu->env_steps(), cpu->env_steps());
  EXPECT_EQ(gpu->num_updates(), 12);
  EXPECT_LT(relative_error(gpu->soft_actor_critic()->actor.parameters.value,
                           cpu->soft_actor_critic()->actor.parameters.value),
            1e-3);
  EXPECT_LT(relative_error(gpu->soft_actor_critic()->critics.critic[0].value,
                           cpu->soft_actor_critic()->critics.critic[0].value),
            1e-3);
  const auto& wanted = *cpu->model();
  const auto& got = *gpu->model();
  EXPECT_EQ(got.elites, wanted.elites);
  EXPECT_LT(relative_error(got.members.value, wanted.members.value), 1e-3);

  // means over the first updates, and what the fit and the rollout reported
  const std::vector<double> a = gpu->take_metrics(), b = cpu->take_metrics();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(b[i])) continue;
    EXPECT_NEAR(a[i], b[i], 1e-3 * (1.0 + std::abs(b[i]))) << gpu->metric_names()[i];
  }
}

TEST_F(LearnerGpuTest, TheSameSeedGivesTheSameRun) {
  TwinStreams streams;
  const auto one = train(streams.gpu, small_config(), 25);
  Stream other(streams.pool, Stream::Kind::kGpu);
  other.set_use_graphs(false);
  const auto two = train(other, small_config(), 25);
  EXPECT_EQ(to_host(one->soft_actor_critic()->actor.parameters.value),
            to_host(two->soft_actor_critic()->actor.parameters.value));
  EXPECT_EQ(to_host(one->soft_actor_critic()->critics.target[1]),
            to_host(two->soft_actor_critic()->critics.target[1]));
  EXPECT_EQ(one->evaluate(2).returns, two->evaluate(2).returns);
}

TEST_F(LearnerGpuTest, AResumedRunEqualsOneThatWasNotStopped) {
  const TemporaryDirectory directory;
  TwinStreams streams;
  const Config config = small_config();
  const auto whole = train(streams.gpu, config, 24);

  const auto first = train(streams.gpu, config, 13);
  save_checkpoint(directory.path(), *first, config, {});
  const auto second = make(streams.gpu, config);
  load_checkpoint(find_checkpoint(directory.path()), *second, config);
  while (second->train_steps() < 24) second->step();

  EXPECT_EQ(to_host(second->soft_actor_critic()->actor.parameters.value),
            to_host(whole->soft_actor_critic()->actor.parameters.value));
  EXPECT_EQ(to_host(second->soft_actor_critic()->critics.critic[0].v),
            to_host(whole->soft_actor_critic()->critics.critic[0].v));
  const auto& model = *second->model();
  EXPECT_EQ(to_host(model.members.value), to_host(whole->model()->members.value));
}

TEST_F(LearnerGpuTest, ACheckpointOfTheGpuGoesOnOnTheCpu) {
  const TemporaryDirectory directory;
  TwinStreams streams;
  const Config config = small_config();
  const auto gpu = train(streams.gpu, config, 3);
  save_checkpoint(directory.path(), *gpu, config, {});
  const auto cpu = make(streams.cpu, config);
  load_checkpoint(find_checkpoint(directory.path()), *cpu, config);
  EXPECT_EQ(to_host(cpu->soft_actor_critic()->actor.parameters.value),
            to_host(gpu->soft_actor_critic()->actor.parameters.value));
  EXPECT_EQ(replay_size(*cpu), replay_size(*gpu));
  cpu->step();
  gpu->step();
  EXPECT_LT(relative_error(gpu->soft_actor_critic()->actor.parameters.value,
                           cpu->soft_actor_critic()->actor.parameters.value),
            1e-4);
}

TEST_F(LearnerGpuTest, PlainSacRunsToo) {
  TwinStreams streams;
  Config config = small_config();
  config.algorithm = "sac";
  const auto cpu = train(streams.cpu, config, 4);
  const auto gpu = train(streams.gpu, config, 4);
  EXPECT_LT(relative_error(gpu->soft_actor_critic()->actor.parameters.value,
                           cpu->soft_actor_critic()->actor.parameters.value),
            1e-3);
}

// the weights cross to the host, where both predict; actions differ by rounding
TEST_F(LearnerGpuTest, ErrorsOfItsModelAreThoseOfTheSameModelOnTheCpu) {
  TwinStreams streams;
  const TemporaryDirectory folder;
  const auto gpu = train(streams.gpu, small_config(), 4);
  save_checkpoint(folder.path(), *gpu, small_config(), {});
  const auto cpu = make_learner(small_config(), streams.cpu, {});
  load_checkpoint(find_checkpoint(folder.path()), *cpu, small_config());
  const auto got = model_errors(streams.gpu, *gpu, 30),
             wanted = model_errors(streams.cpu, *cpu, 30);
  ASSERT_EQ(got.size(), 30u);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-4) << i;
}

// AutoMBPO's controller sees, decides and learns on either device
TEST_F(LearnerGpuTest, AControllerDecidesAndLearnsAsOnTheCpu) {
  TwinStreams streams;
  Config config = small_config();
  config.controller.file = "a controller";
  config.controller.interval = 2;
  config.controller.hidden_size = 16;
  config.controller.batch_size = 4;
  config.controller.updates_per_episode = 3;
  config.rollout.interval = 2;
  config.loop.num_env_steps = 1000;
  std::vector<HyperTrajectory> seen[2];
  std::vector<float> weights[2];
  int i = 0;
  for (Stream* stream : {&streams.cpu, &streams.gpu}) {
    const TemporaryDirectory folder;
    Mbpo learner(config, *stream, {}, 0);
    Steering steering(config, std::make_unique<ControllerDecider>(
                                  *stream, std::make_shared<ControllerStack>(*stream, config, 5),
                                  RandomKey{5, purpose::kHyperAction, 0}));
    steering.open(folder.path(), -1);
    while (learner.train_steps() < 6) {
      ASSERT_TRUE(steering.before_step(learner));
      ASSERT_TRUE(learner.step());
    }
    seen[i].push_back(steering.trajectory());
    ControllerStack controller(*stream, config, 5);
    controller.learn(*stream, 0, {seen[0][0]}, 5, 0);
    const auto file = folder.path() / "controller.safetensors";
    controller.save(file);
    ControllerStack on_cpu(streams.cpu, config, 6);
    on_cpu.load(file);
    for (const auto& chances : on_cpu.probabilities(streams.cpu, 0, seen[0][0].decisions[0].state))
      for (const double chance : chances) weights[i].push_back(static_cast<float>(chance));
    ++i;
  }
  const HyperTrajectory &cpu = seen[0][0], &gpu = seen[1][0];
  ASSERT_EQ(cpu.decisions.size(), 3u);
  ASSERT_EQ(gpu.decisions.size(), 3u);
  for (std::size_t t = 0; t < 3; ++t) {
    EXPECT_EQ(gpu.decisions[t].options, cpu.decisions[t].options);
    EXPECT_LT(relative_error(gpu.decisions[t].state, cpu.decisions[t].state), 1e-2) << t;
    EXPECT_LT(relative_error(gpu.decisions[t].log_probs, cpu.decisions[t].log_probs), 1e-2) << t;
  }
  EXPECT_LT(relative_error(weights[1], weights[0]), 1e-4);
}

TEST_F(LearnerGpuTest, PpoFollowsTheCpuAndGoesOnThere) {
  const TemporaryDirectory directory;
  TwinStreams streams;
  Config config = small_config();
  config.algorithm = "ppo";
  config.ppo.num_envs = 2;
  config.ppo.steps_per_update = 16;
  config.ppo.epochs = 2;
  config.ppo.batch_size = 8;
  config.ppo.hidden_sizes = {16, 16};
  Ppo cpu(config, streams.cpu, {}, 0), gpu(config, streams.gpu, {}, 0);
  for (int i = 0; i < 16; ++i) {
    cpu.step();
    gpu.step();
  }
  EXPECT_EQ(gpu.num_updates(), 8);
  EXPECT_LT(relative_error(gpu.policy().policy.value, cpu.policy().policy.value), 1e-3);
  EXPECT_LT(relative_error(gpu.policy().value.value, cpu.policy().value.value), 1e-3);
  const std::vector<double> a = gpu.take_metrics(), b = cpu.take_metrics();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(b[i])) continue;
    EXPECT_NEAR(a[i], b[i], 1e-3 * (1.0 + std::abs(b[i]))) << gpu.metric_names()[i];
  }

  save_checkpoint(directory.path(), gpu, config, {});
  Ppo resumed(config, streams.cpu, {}, 0);
  load_checkpoint(find_checkpoint(directory.path()), resumed, config);
  EXPECT_EQ(to_host(resumed.policy().policy.value), to_host(gpu.policy().policy.value));
  for (int i = 0; i < 16; ++i) {
    resumed.step();
    gpu.step();
  }
  EXPECT_LT(relative_error(gpu.policy().policy.value, resumed.policy().policy.value), 1e-3);
}

}  // namespace
}  // namespace mbrl
