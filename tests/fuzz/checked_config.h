// What a config goes through after it is read, before a run is made of it.
#pragma once

#include <string>

#include "host/algo/keys_read.h"
#include "host/algo/registry.h"
#include "host/algo/resolve_config.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "tests/fuzz/harness.h"

namespace mbrl::fuzz {

/// Takes the layers of the files, as the command line has changed the config after them.
///
/// Errors   ConfigError where no run can be made of it.
inline void check_layers(LayeredConfig layered) {
  layered.layers.push_back({kCommandLine, layered.config});
  drop_unread_keys(layered, [](const std::string&) {});
  const Config& config = layered.config;
  check_run(config);
  const Algorithm& algorithm = find_algorithm(config.algorithm);
  EnvSpec env{};
  env.observation_size = 11;
  env.action_size = 3;
  env.max_episode_steps = 1000;
  if (algorithm.memory != nullptr) algorithm.memory(config, env, /*on_gpu=*/true);
  config_table(config, keys_read(config));
  const Config again = config_from_json(config_to_json(config, keys_read(config)), "saved");
  // without the files behind it, which an input may name anywhere
  require(config_hash(again, {}) == config_hash(config, {}), "a saved config is the same run");
}

}  // namespace mbrl::fuzz
