#include "host/algo/can_train.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/error.h"
#include "envs/env.h"
#include "envs/tasks/task.h"
#include "host/algo/checks.h"
#include "host/algo/registry.h"

namespace mbrl {
namespace {

using Steps = std::int64_t;

/// The steps of the shortest run that the config stands for, and the keys that say so.
struct Budget {
  Steps steps;
  std::string keys;
};

Budget budget_of(const Config& config) {
  if (!reads_section(find_algorithm(config.algorithm), "autombpo"))
    return {config.loop.num_env_steps, "loop.num_env_steps"};
  // hyper-episodes and evaluations count their epochs after exploration
  const bool train = config.autombpo.train_epochs <= config.autombpo.eval_epochs;
  const int epochs = train ? config.autombpo.train_epochs : config.autombpo.eval_epochs;
  return {static_cast<Steps>(config.loop.num_exploration_steps) +
              static_cast<Steps>(epochs) * config.loop.epoch_length,
          fmt::format("autombpo.{}", train ? "train_epochs" : "eval_epochs")};
}

void check_on_policy(const Config& config) {
  const PpoConfig& ppo = config.ppo;
  const Steps collected = static_cast<Steps>(ppo.num_envs) * ppo.steps_per_update;
  // the last round of steps may go beyond the budget
  const Steps rounds = (config.loop.num_env_steps + ppo.num_envs - 1) / ppo.num_envs;
  if (rounds >= ppo.steps_per_update) return;
  throw ConfigError(fmt::format(
      "loop.num_env_steps is {}, fewer than the {} x {} steps of ppo.num_envs and "
      "ppo.steps_per_update that the first update learns from, so nothing would be learned. Raise "
      "loop.num_env_steps to {} or more, or lower ppo.steps_per_update.",
      config.loop.num_env_steps, ppo.num_envs, ppo.steps_per_update, collected));
}

void check_trials(const Config& config, const EnvSpec& env,
                  const std::function<void(const std::string&)>& warn) {
  check_searches(config, env, [](bool holds, const std::string& text) {
    if (!holds) throw ConfigError(text);
  });
  const Steps length = episode_limit(config.env, env);
  const Steps budget = config.loop.num_env_steps;
  if (budget > config.loop.replay_capacity)
    warn(
        fmt::format("the model forgets the run's first trials: loop.replay_capacity keeps {} "
                    "transitions of {} (loop.num_env_steps). Raise it to {}.",
                    config.loop.replay_capacity, budget, budget));
  // random trials are finished, and so is the first one that is planned where there is time for it
  const Steps random = (config.loop.num_exploration_steps + length - 1) / length * length;
  if (random + length <= budget) return;
  const std::string reason = fmt::format(
      "random trials take {} steps (loop.num_exploration_steps is {}, and a trial has {}) of the {} "
      "of loop.num_env_steps",
      random, config.loop.num_exploration_steps, length, budget);
  const std::string way_out =
      fmt::format("Raise loop.num_env_steps to {} or more.", random + length);
  if (random >= budget)
    throw ConfigError(fmt::format("nothing would be learned: {}. {}", reason, way_out));
  warn(fmt::format("no trial is planned to its end: {}. {}", reason, way_out));
}

/// The first step with a policy update if episodes take `length` steps each.
Steps first_update(const LoopConfig& loop, Steps length) {
  // transitions are seen one by one or at the ends of episodes, and so exploration ends there
  const Steps grain = loop.pool_insertion == "step" ? 1 : length;
  const auto seen = [&](Steps steps) { return (steps + grain - 1) / grain * grain; };
  const Steps after_exploration =
      loop.num_exploration_steps > 0 ? seen(loop.num_exploration_steps) + 1 : 1;
  return std::max(after_exploration, seen(loop.min_replay_size));
}

void check_off_policy(const Config& config, const EnvSpec& env,
                      const std::function<void(const std::string&)>& warn) {
  const LoopConfig& loop = config.loop;
  const Budget budget = budget_of(config);
  const int limit = episode_limit(config.env, env);
  const Steps earliest = first_update(loop, 1), latest = first_update(loop, limit);
  const bool never = earliest > budget.steps || (!may_terminate(env) && latest > budget.steps);
  if (!never && latest <= budget.steps) return;

  // the key that pushes the first update out of the budget
  std::string reason;
  if (loop.num_exploration_steps >= budget.steps)
    reason = fmt::format("exploration takes all {} steps, as loop.num_exploration_steps is {}",
                         budget.steps, loop.num_exploration_steps);
  else if (loop.min_replay_size > budget.steps)
    reason = fmt::format("the first update waits for loop.min_replay_size = {} transitions of {}",
                         loop.min_replay_size, budget.steps);
  else
    reason = fmt::format(
        "the replay sees an episode when it ends (loop.pool_insertion), and episodes take up to {} "
        "steps: with loop.num_exploration_steps = {} and loop.min_replay_size = {} the first "
        "update may come after {} steps of {}",
        limit, loop.num_exploration_steps, loop.min_replay_size, latest, budget.steps);
  const std::string way_out = fmt::format(
      "Raise {}, or lower {}.", budget.keys,
      earliest > budget.steps ? "what the first update waits for"
                              : "env.max_episode_steps, or set loop.pool_insertion=step");
  if (never) throw ConfigError(fmt::format("nothing would be learned: {}. {}", reason, way_out));
  warn(fmt::format("nothing may be learned unless episodes end early: {}. {}", reason, way_out));
}

}  // namespace

bool may_terminate(const EnvSpec& env) {
  if (env.name == "process") return true;  // its rule is its own
  std::vector<float> observation(static_cast<std::size_t>(env.observation_size));
  for (const float extreme : {0.0f, 1e6f, -1e6f, std::numeric_limits<float>::quiet_NaN()}) {
    std::fill(observation.begin(), observation.end(), extreme);
    if (task_terminated(env.task, env.end_bounds, observation.data())) return true;
  }
  return false;
}

void check_can_train(const Config& config, const EnvSpec& env,
                     const std::function<void(const std::string&)>& warn) {
  const Algorithm& algorithm = find_algorithm(config.algorithm);
  if (reads_section(algorithm, "ppo")) return check_on_policy(config);
  if (reads_section(algorithm, "planner")) return check_trials(config, env, warn);
  check_off_policy(config, env, warn);
  const bool decided = (!config.controller.file.empty() || reads_section(algorithm, "autombpo")) &&
                       std::find(config.controller.heads.begin(), config.controller.heads.end(),
                                 "updates") != config.controller.heads.end();
  if (config.sac.updates_per_step == 0 && !decided)
    warn("nothing will be learned: sac.updates_per_step is 0.");
}

}  // namespace mbrl
