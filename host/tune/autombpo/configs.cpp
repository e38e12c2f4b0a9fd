#include "host/tune/autombpo/configs.h"

namespace mbrl {
namespace {

int steps_of(const Config& config, int epochs) {
  return config.loop.num_exploration_steps + epochs * config.loop.epoch_length;
}

}  // namespace

Config baseline_config(const Config& config, int epochs) {
  const Config defaults;
  Config c = config;
  c.algorithm = "mbpo";
  c.name = config.name + "-baseline";
  c.controller = defaults.controller;
  c.autombpo = defaults.autombpo;
  c.population = defaults.population;
  c.loop.num_env_steps = steps_of(config, epochs);
  return c;
}

Config steered_config(const Config& config) {
  Config c = config;
  c.rollout.interval = config.controller.rollout_interval;
  c.rollout.batch_size = config.controller.rollout_batch_size;
  return c;
}

Config episode_config(const Config& config, const std::string& controller, int epochs) {
  Config c = steered_config(config);
  c.algorithm = "mbpo";
  c.controller.file = controller;
  c.loop.num_env_steps = steps_of(config, epochs);
  return c;
}

}  // namespace mbrl
