#include "host/config/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "host/tune/autombpo/hyper_mdp.h"
#include "host/schedule/rollout_schedule.h"

namespace mbrl {
namespace {

// letters, digits, '.', '_' and '-', not starting with '.' or '-': safe as a folder's name
bool is_folder_name(const std::string& name) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 100 && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), allowed);
}

// what a run would otherwise find out behind exploration and its first fit
void check_mbpo(const Config& config, const auto& require) {
  const bool trains_controller = config.algorithm == "autombpo";
  if (config.algorithm != "mbpo" && !trains_controller) return;

  // exploration goes on to the end of an episode, where that is when transitions arrive
  const int needed = config.loop.pool_insertion == "step" ? 2 : 1;
  require(config.loop.num_exploration_steps >= needed,
          fmt::format("loop.num_exploration_steps is {}; {} needs at least {}, as it begins with a "
                      "fit of the ensemble to what exploration has found.",
                      config.loop.num_exploration_steps, config.algorithm, needed));

  // a controller's own rollouts divide an epoch (check_controller), so there is always room for one
  const bool steered =
      trains_controller ? !config.autombpo.baseline.empty() : !config.controller.file.empty();
  if (steered) return;
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

// what a controller needs of the run it steers
void check_controller(const Config& config, const auto& require) {
  const ControllerConfig& c = config.controller;
  const bool trained = config.algorithm == "autombpo";
  require(c.file.empty() || trained || config.algorithm == "mbpo",
          fmt::format("controller.file steers mbpo; algorithm {} has no hyperparameters for it.",
                      config.algorithm));
  if (!trained && c.file.empty()) return;
  for (const auto& [key, interval] : {std::pair("controller.interval", c.interval),
                                      std::pair("controller.rollout_interval", c.rollout_interval)})
    require(config.loop.epoch_length % interval == 0,
            fmt::format("{} is {}; expected a divisor of loop.epoch_length, which is {}.", key,
                        interval, config.loop.epoch_length));
  for (const std::vector<Head>& seen : controller_groups(c))
    require(hyper_state_size(seen, config) > 0,
            fmt::format("controller.features = {} shows a controller that decides on {} nothing; "
                        "add another of {}.",
                        fmt::join(c.features, ", "), fmt::join(c.heads, ", "),
                        fmt::join(feature_names(), ", ")));
  require(c.init_updates_per_step <= c.max_updates_per_step,
          fmt::format("controller.init_updates_per_step is {}, more than "
                      "controller.max_updates_per_step, which is {}.",
                      c.init_updates_per_step, c.max_updates_per_step));
  if (!trained) return;
  require(
      config.eval.interval == config.loop.epoch_length,
      fmt::format("eval.interval is {}, loop.epoch_length {}; a controller is paid at the end of "
                  "each epoch, so the two must be equal.",
                  config.eval.interval, config.loop.epoch_length));
  const std::string& n = config.population.concurrent;
  require(n == "auto" || (!n.empty() && n.size() <= 4 && n != "0" &&
                          std::all_of(n.begin(), n.end(),
                                      [](unsigned char d) { return std::isdigit(d) != 0; })),
          fmt::format(
              "population.concurrent is \"{}\"; expected auto or a number of learners from 1.", n));
}

}  // namespace

void check_config(const Config& config, std::string_view origin) {
  const auto require = [&](bool holds, const std::string& text) {
    if (!holds) throw ConfigError(fmt::format("{}: {}", origin, text));
  };
  const ModelConfig& model = config.model;

  require(
      is_folder_name(config.name),
      fmt::format("name is \"{}\"; expected a folder's name of letters, digits, '.', '_' and '-'.",
                  config.name));

  // the ensemble
  require(model.num_elites <= model.ensemble_size,
          fmt::format(
              "model.num_elites is {}, more than the {} members of model.ensemble_size; lower the "
              "one or raise the other.",
              model.num_elites, model.ensemble_size));
  require(static_cast<int>(model.weight_decay.size()) == model.num_hidden_layers + 1,
          fmt::format(
              "model.weight_decay has {} values; model.num_hidden_layers = {} needs {}, one for "
              "each layer from first to last.",
              model.weight_decay.size(), model.num_hidden_layers, model.num_hidden_layers + 1));
  require(model.init_min_logvar < model.init_max_logvar,
          fmt::format(
              "model.init_min_logvar is {}; expected less than model.init_max_logvar, which is {}.",
              model.init_min_logvar, model.init_max_logvar));

  // rollout length over epochs
  const std::vector<float>& schedule = config.rollout.schedule;
  require(schedule.size() == 4, "rollout.schedule needs 4 numbers.");
  require(schedule[0] <= schedule[1],
          fmt::format(
              "rollout.schedule starts at epoch {} and ends at epoch {}; expected [first epoch, "
              "last epoch, first length, last length] with first epoch <= last epoch.",
              schedule[0], schedule[1]));
  require(
      schedule[2] >= 1 && schedule[3] >= 1,
      fmt::format("rollout.schedule goes from length {} to length {}; expected [first epoch, last "
                  "epoch, first length, last length] with lengths of at least 1 step.",
                  schedule[2], schedule[3]));

  // a value that would silently have no effect
  require(!config.sac.auto_target_entropy || config.sac.target_entropy == 0.0f,
          fmt::format(
              "sac.target_entropy is {}, but sac.auto_target_entropy = true takes minus the action "
              "size instead. Set sac.auto_target_entropy=false to use it.",
              config.sac.target_entropy));
  require(config.algorithm != "sac" || config.loop.real_ratio == 1.0f,
          fmt::format("algorithm sac has no imagined data, so all rows of a batch are real; set "
                      "loop.real_ratio=1 (found {}).",
                      config.loop.real_ratio));
  const PpoConfig& ppo = config.ppo;
  require(static_cast<std::int64_t>(ppo.num_envs) * ppo.steps_per_update % ppo.batch_size == 0,
          fmt::format("ppo.batch_size is {}, which does not divide the {} x {} steps of "
                      "ppo.num_envs and ppo.steps_per_update; an epoch takes every step once.",
                      ppo.batch_size, ppo.num_envs, ppo.steps_per_update));
  require(config.loop.min_replay_size <= config.loop.replay_capacity,
          fmt::format(
              "loop.min_replay_size is {}, but loop.replay_capacity keeps only {} transitions, so "
              "training would never start.",
              config.loop.min_replay_size, config.loop.replay_capacity));
  check_controller(config, require);
  check_mbpo(config, require);
}

}  // namespace mbrl
