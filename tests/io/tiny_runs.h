// A run of each algorithm that takes a twentieth of a second.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mbrl {

// a library that is loaded first has to be the sanitizer's
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MBRL_IO_SKIP_UNDER_SANITIZERS() GTEST_SKIP() << "a sanitizer has to be loaded first"
#else
#define MBRL_IO_SKIP_UNDER_SANITIZERS() static_cast<void>(0)
#endif

using Words = std::vector<std::string>;

/// The command of a tiny run, in the order of one thread.
inline Words tiny_command(const std::filesystem::path& config, const std::filesystem::path& runs,
                          const Words& more = {}) {
  Words words{"run", config.string(), "--runs", runs.string(), "--threads", "1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

constexpr char kMbpo[] = R"({"name": "tiny",
  "env": {"name": "pendulum", "max_episode_steps": 20},
  "model": {"ensemble_size": 2, "num_elites": 1, "hidden_size": 8, "num_hidden_layers": 1,
            "weight_decay": [0, 0], "max_epochs": 1},
  "rollout": {"batch_size": 20},
  "sac": {"hidden_sizes": [8], "batch_size": 16, "updates_per_step": 1},
  "loop": {"num_env_steps": 100, "epoch_length": 20, "num_exploration_steps": 40,
           "min_replay_size": 20, "model_train_interval": 20, "replay_capacity": 200},
  "eval": {"interval": 20, "num_episodes": 1},
  "checkpoint": {"interval": 20, "keep": 2}})";

constexpr char kSac[] = R"({"name": "tiny", "algorithm": "sac",
  "env": {"name": "pendulum", "max_episode_steps": 20},
  "sac": {"hidden_sizes": [8], "batch_size": 16, "updates_per_step": 1},
  "loop": {"num_env_steps": 100, "epoch_length": 20, "num_exploration_steps": 40,
           "min_replay_size": 20, "replay_capacity": 200},
  "eval": {"interval": 20, "num_episodes": 1},
  "checkpoint": {"interval": 30, "keep": 2}})";

constexpr char kPpo[] = R"({"name": "tiny", "algorithm": "ppo",
  "env": {"name": "pendulum", "max_episode_steps": 20},
  "ppo": {"num_envs": 2, "steps_per_update": 10, "epochs": 1, "batch_size": 10,
          "hidden_sizes": [8]},
  "loop": {"num_env_steps": 100},
  "eval": {"interval": 20, "num_episodes": 1},
  "checkpoint": {"interval": 30, "keep": 2}})";

constexpr char kAutoMbpo[] = R"({"name": "tiny", "algorithm": "autombpo",
  "env": {"name": "pendulum", "max_episode_steps": 20},
  "model": {"ensemble_size": 2, "num_elites": 1, "hidden_size": 8, "num_hidden_layers": 1,
            "weight_decay": [0, 0], "max_epochs": 1},
  "rollout": {"batch_size": 20},
  "sac": {"hidden_sizes": [8], "batch_size": 16, "updates_per_step": 1},
  "loop": {"epoch_length": 20, "num_exploration_steps": 20, "min_replay_size": 20,
           "model_train_interval": 20, "replay_capacity": 200},
  "eval": {"interval": 20, "num_episodes": 1},
  "checkpoint": {"interval": 40, "keep": 1},
  "controller": {"interval": 20, "init_updates_per_step": 1, "max_updates_per_step": 2,
                 "rollout_interval": 20, "rollout_batch_size": 20, "batch_size": 4},
  "autombpo": {"num_episodes": 2, "episodes_per_stage": 1, "train_epochs": 2, "eval_epochs": 2,
               "num_seeds": 1},
  "population": {"concurrent": "1"}})";

struct TinyRun {
  const char* name;
  const char* config;
};
constexpr TinyRun kTinyRuns[] = {
    {"mbpo", kMbpo}, {"sac", kSac}, {"ppo", kPpo}, {"autombpo", kAutoMbpo}};

}  // namespace mbrl
