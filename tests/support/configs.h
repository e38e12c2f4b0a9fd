// Configs that train in milliseconds. A test names only what differs.
#pragma once

#include <string>

#include "host/config/config.h"

namespace mbrl {

/// MBPO with two models and a policy of one layer of 8 units, one epoch per fit.
inline Config tiny_mbpo(const std::string& env) {
  Config c;
  c.env.name = env;
  c.model.ensemble_size = 2;
  c.model.num_elites = 1;
  c.model.hidden_size = 8;
  c.model.num_hidden_layers = 1;
  c.model.weight_decay = {0, 0};
  c.model.max_epochs = 1;
  c.model.epochs = 1;
  c.planner.iterations = 2;
  c.planner.population = 10;
  c.planner.horizon = 3;
  c.planner.particles = 6;
  c.rollout.batch_size = 50;
  c.sac.hidden_sizes = {8};
  c.sac.batch_size = 32;
  c.loop.num_exploration_steps = 50;
  c.loop.min_replay_size = 10;
  return c;
}

/// MBPO with three models and a policy of two layers of 16 units: every loop runs more than once.
inline Config small_mbpo(const std::string& env) {
  Config c = tiny_mbpo(env);
  c.model.ensemble_size = 3;
  c.model.num_elites = 2;
  c.model.hidden_size = 16;
  c.model.num_hidden_layers = 2;
  c.model.weight_decay = {1e-5f, 1e-5f, 1e-5f};
  c.model.batch_size = 32;
  c.model.max_epochs = 2;
  c.model.epochs = 2;
  c.rollout.batch_size = 100;
  c.rollout.schedule = {0, 2, 1, 3};
  c.sac.hidden_sizes = {16, 16};
  c.sac.updates_per_step = 3;
  c.loop.epoch_length = 20;
  c.loop.model_train_interval = 10;
  c.loop.replay_capacity = 200;
  c.seed = 3;
  return c;
}

/// A run of a population: MBPO on the pendulum for 90 steps in episodes of 10, of which 20 explore.
inline Config small_member() {
  Config c = tiny_mbpo("pendulum");
  c.env.max_episode_steps = 10;
  c.rollout.batch_size = 20;
  c.sac.batch_size = 16;
  c.sac.updates_per_step = 2;
  c.loop.num_env_steps = 90;
  c.loop.epoch_length = 20;
  c.loop.num_exploration_steps = 20;
  c.loop.model_train_interval = 10;
  c.loop.replay_capacity = 1000;
  c.eval.interval = 20;
  c.eval.num_episodes = 1;
  c.checkpoint.interval = 0;
  c.checkpoint.keep = 1;
  return c;
}

/// One that says where its run lies: trial/<hash>/seed-4.
inline Config trial_config() {
  Config c;
  c.name = "trial";
  c.seed = 4;
  return c;
}

/// PPO with networks of two layers of 16 units on three environments.
inline Config small_ppo(const std::string& env) {
  Config c;
  c.algorithm = "ppo";
  c.env.name = env;
  c.ppo.num_envs = 3;
  c.ppo.steps_per_update = 10;
  c.ppo.epochs = 2;
  c.ppo.batch_size = 6;
  c.ppo.hidden_sizes = {16, 16};
  c.seed = 3;
  return c;
}

/// The environment, or where the algorithm plans one that plans can be made for.
inline std::string env_for(const std::string& algorithm, const std::string& env) {
  return algorithm == "pets" ? "pendulum" : env;
}

}  // namespace mbrl
