#include "host/algo/checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "envs/tasks/planner.h"
#include "host/algo/parts/planner.h"
#include "host/config/fields.h"
#include "host/schedule/rollout_schedule.h"
#include "kernels/formulas/plan_rows.h"
#include "kernels/stages/plan/plan_search.h"

namespace mbrl {

void check_sizes(const Config& config, const Require& require) {
  const auto at_most = [&](const char* key, int size, int limit) {
    require(size <= limit, fmt::format("{} is {}; expected at most {}.", key, size, limit));
  };
  constexpr int kWidest = 1'000'000, kMostRows = 1'000'000'000, kMost = 10'000;
  for (const auto& [key, widths] : {std::pair("sac.hidden_sizes", &config.sac.hidden_sizes),
                                    std::pair("ppo.hidden_sizes", &config.ppo.hidden_sizes)}) {
    for (const int width : *widths) at_most(key, width, kWidest);
    at_most(fmt::format("the number of {}", key).c_str(), static_cast<int>(widths->size()), kMost);
  }
  at_most("model.hidden_size", config.model.hidden_size, kWidest);
  at_most("controller.hidden_size", config.controller.hidden_size, kWidest);
  at_most("model.num_hidden_layers", config.model.num_hidden_layers, kMost);
  at_most("model.ensemble_size", config.model.ensemble_size, kMost);
  at_most("sac.batch_size", config.sac.batch_size, kMostRows);
  at_most("model.batch_size", config.model.batch_size, kMostRows);
  for (const auto& [key, size] :
       {std::pair("planner.population", config.planner.population),
        std::pair("planner.max_population", config.planner.max_population)})
    at_most(key, size, kWidest);
  for (const auto& [key, size] : {std::pair("planner.horizon", config.planner.horizon),
                                  std::pair("planner.max_horizon", config.planner.max_horizon)})
    at_most(key, size, kMaxPlanHorizon);
  for (const auto& [key, size] : {std::pair("planner.particles", config.planner.particles),
                                  std::pair("planner.max_particles", config.planner.max_particles)})
    at_most(key, size, kMaxPlanParticles);
  at_most("planner.iterations", config.planner.iterations, kMaxPlanIterations);
  at_most("rollout.batch_size", config.rollout.batch_size, kMostRows);
  at_most("loop.epoch_length", config.loop.epoch_length, kMostRows / 10);
  at_most("ppo.num_envs", config.ppo.num_envs, kWidest);
  require(
      static_cast<std::int64_t>(config.ppo.num_envs) * config.ppo.steps_per_update <= kMostRows,
      fmt::format("ppo.num_envs is {} and ppo.steps_per_update {}; expected at most {} steps in "
                  "all between two updates.",
                  config.ppo.num_envs, config.ppo.steps_per_update, kMostRows));
}

void check_replay(const Config& config, const Require& require) {
  require(config.loop.min_replay_size <= config.loop.replay_capacity,
          fmt::format("loop.min_replay_size is {}, but loop.replay_capacity keeps only {} "
                      "transitions, so training would never start.",
                      config.loop.min_replay_size, config.loop.replay_capacity));
}

void check_soft_actor_critic(const Config& config, const Require& require) {
  // a value that would silently have no effect
  require(
      !config.sac.auto_target_entropy || config.sac.target_entropy == 0.0f,
      fmt::format("sac.target_entropy is {}, but sac.auto_target_entropy = true takes minus the "
                  "action size instead. Set sac.auto_target_entropy=false to use it.",
                  config.sac.target_entropy));
}

namespace {

// what any fit of the ensemble needs
void check_networks(const ModelConfig& model, const Require& require) {
  require(
      model.weight_decay.size() == 1 ||
          static_cast<int>(model.weight_decay.size()) == model.num_hidden_layers + 1,
      fmt::format("model.weight_decay has {} values; model.num_hidden_layers = {} needs {}, one "
                  "for each layer from first to last, or one for all of them.",
                  model.weight_decay.size(), model.num_hidden_layers, model.num_hidden_layers + 1));
  require(model.init_min_logvar < model.init_max_logvar,
          fmt::format(
              "model.init_min_logvar is {}; expected less than model.init_max_logvar, which is {}.",
              model.init_min_logvar, model.init_max_logvar));
}

}  // namespace

void check_dynamics(const Config& config, const Require& require) {
  const ModelConfig& model = config.model;
  require(model.num_elites <= model.ensemble_size,
          fmt::format("model.num_elites is {}, more than the {} members of model.ensemble_size; "
                      "lower the one or raise the other.",
                      model.num_elites, model.ensemble_size));
  check_networks(model, require);
  // exploration goes on to the end of an episode, where that is when transitions arrive
  const int needed = config.loop.pool_insertion == "step" ? 2 : 1;
  const bool fits = config.loop.real_ratio < 1.0 || !config.controller.file.empty();
  require(!fits || config.loop.num_exploration_steps >= needed,
          fmt::format("loop.num_exploration_steps is {}; {} needs at least {}, as it begins with a "
                      "fit of the ensemble to what exploration has found.",
                      config.loop.num_exploration_steps, config.algorithm, needed));
}

namespace {

// environments with a cost of a step in what a model predicts
std::vector<std::string> planned_environments() {
#define MBRL_NAME(name, Task) #name,
  return {MBRL_PLANNED_TASKS(MBRL_NAME)};
#undef MBRL_NAME
}

void check_planner(const Config& config, const Require& require) {
  const PlannerConfig& planner = config.planner;
  const auto within = [&](const char* key, int value, int most) {
    require(most == 0 || value <= most,
            fmt::format("planner.{0} is {1}, more than planner.max_{0}, which is {2}; lower the "
                        "one or raise the other (0: it stays at {1}).",
                        key, value, most));
  };
  within("population", planner.population, planner.max_population);
  within("horizon", planner.horizon, planner.max_horizon);
  within("particles", planner.particles, planner.max_particles);

  require(config.model.ensemble_size <= kMaxPlanMembers,
          fmt::format("model.ensemble_size is {}; plans are made with at most {} members.",
                      config.model.ensemble_size, kMaxPlanMembers));
  try {
    PlanLimits limits = plan_limits(planner);
    // what the memory is not taken for yet is a way out, too
    if (planner.max_particles == 0) limits.particles += config.model.ensemble_size;
    check_plan(plan_constants(planner), limits, config.model.ensemble_size);
  } catch (const ConfigError& error) {
    require(false, error.what());
  }
  // what a workspace takes for the candidates and the particles of one step
  const double rows = 1.0 * std::max(planner.population, planner.max_population) *
                      std::max(planner.particles, planner.max_particles);
  constexpr double kMostRows = 1e8;
  require(rows <= kMostRows,
          fmt::format("planner.population times planner.particles is {:.0f} rows at the most of "
                      "both; expected at most {:.0f}.",
                      rows, kMostRows));
}

}  // namespace

void check_searches(const Config& config, const EnvSpec& env, const Require& require) {
  const PlannerConfig& planner = config.planner;
  const int longest = longest_plan(env.action_size);
  for (const auto& [key, horizon] : {std::pair("planner.horizon", planner.horizon),
                                     std::pair("planner.max_horizon", planner.max_horizon)})
    require(
        !(horizon > longest),
        fmt::format("{} is {}; with {} actions of {} a plan has up to {} steps. Set it to {} or "
                    "less.",
                    key, horizon, env.action_size, env.name, longest, longest));
  const bool refines = planner.method == "cem" || planner.method == "icem";
  const float unit = action_scale(env.task), first = kPlanVariance * unit * unit;
  require(!(refines && planner.min_variance >= first),
          fmt::format("planner.min_variance is {}, and a search for actions of {} begins with a "
                      "variance of {}: it would end before a candidate is tried. Set "
                      "planner.min_variance below that.",
                      planner.min_variance, env.name, first));
}

void check_pets(const Config& config, const Require& require) {
  const std::vector<std::string> planned = planned_environments();
  require(
      std::find(planned.begin(), planned.end(), config.env.name) != planned.end(),
      fmt::format("env.name is {}, whose steps have no cost in what a model predicts; algorithm "
                  "{} plans for {}.",
                  config.env.name, config.algorithm, fmt::join(planned, ", ")));
  check_networks(config.model, require);
  check_planner(config, require);
  require(config.loop.num_exploration_steps >= 1,
          fmt::format("loop.num_exploration_steps is {}; {} needs at least 1, as it begins with a "
                      "fit of the ensemble to what random trials have found.",
                      config.loop.num_exploration_steps, config.algorithm));
}

void check_imagination(const Config& config, const Require& require) {
  const std::vector<float>& schedule = config.rollout.schedule;
  require(schedule.size() == 4, "rollout.schedule needs 4 numbers.");
  require(schedule[0] <= schedule[1],
          fmt::format("rollout.schedule starts at epoch {} and ends at epoch {}; expected [first "
                      "epoch, last epoch, first length, last length] with first epoch <= last "
                      "epoch.",
                      schedule[0], schedule[1]));
  require(schedule[2] >= 1 && schedule[3] >= 1,
          fmt::format("rollout.schedule goes from length {} to length {}; expected [first epoch, "
                      "last epoch, first length, last length] with lengths of at least 1 step.",
                      schedule[2], schedule[3]));
  constexpr float kLongest = 1e6f;
  require(schedule[2] <= kLongest && schedule[3] <= kLongest,
          fmt::format("rollout.schedule goes from length {} to length {}; expected at most {:.0f} "
                      "steps.",
                      schedule[2], schedule[3], kLongest));
}

void check_model_replay(const Config& config, const Require& require) {
  const std::vector<float>& schedule = config.rollout.schedule;
  const int shortest = static_cast<int>(std::min(schedule[2], schedule[3]));
  const std::size_t capacity = model_replay_capacity(config, shortest);
  require(
      capacity >= static_cast<std::size_t>(config.rollout.batch_size),
      fmt::format("the model replay would hold {} transitions at rollout length {}, fewer than the "
                  "{} of rollout.batch_size that one step writes: loop.epoch_length = {} is less "
                  "than {} = {}. Raise loop.epoch_length or rollout.retain_epochs, which is {}.",
                  capacity, shortest, config.rollout.batch_size, config.loop.epoch_length,
                  config.rollout.interval > 0 ? "rollout.interval" : "loop.model_train_interval",
                  rollout_interval(config), config.rollout.retain_epochs));
}

void check_controller(const Config& config, const Require& require) {
  const ControllerConfig& c = config.controller;
  for (const auto& [key, interval] : {std::pair("controller.interval", c.interval),
                                      std::pair("controller.rollout_interval", c.rollout_interval)})
    require(config.loop.epoch_length % interval == 0,
            fmt::format("{} is {}; expected a divisor of loop.epoch_length, which is {}.", key,
                        interval, config.loop.epoch_length));
  // the decision to fit has no value that could be seen; staged, the real ratio is decided with it
  const auto decides = [&](const char* head) {
    return std::find(c.heads.begin(), c.heads.end(), head) != c.heads.end();
  };
  const bool fits_alone =
      decides("model") && !decides("real_ratio") &&
      (c.stack == "staged" || (!decides("updates") && !decides("rollout_length")));
  const bool sees_values_alone = std::all_of(c.features.begin(), c.features.end(),
                                             [](const auto& name) { return name == "values"; });
  require(
      !(fits_alone && sees_values_alone),
      fmt::format("controller.features = {} gives a controller that decides on {} no input; add "
                  "another of {}.",
                  fmt::join(c.features, ", "), fmt::join(c.heads, ", "),
                  fmt::join(find_field("controller.features")->choices, ", ")));
  require(c.init_updates_per_step <= c.max_updates_per_step,
          fmt::format("controller.init_updates_per_step is {}, more than "
                      "controller.max_updates_per_step, which is {}.",
                      c.init_updates_per_step, c.max_updates_per_step));
}

namespace {

void check_model_based(const Config& config, const Require& require) {
  check_dynamics(config, require);
  check_imagination(config, require);
  check_soft_actor_critic(config, require);
  check_replay(config, require);
}

}  // namespace

void check_mbpo(const Config& config, const Require& require) {
  if (!config.controller.file.empty()) return check_steered_mbpo(config, require);
  check_model_based(config, require);
  check_model_replay(config, require);
}

void check_steered_mbpo(const Config& config, const Require& require) {
  check_model_based(config, require);
  check_controller(config, require);
}

}  // namespace mbrl
