// A config of MBPO that trains in milliseconds.
#pragma once

#include <string>

#include "host/config/config.h"

namespace mbrl {

/// Two models and a policy of one layer of 8 units, one epoch per fit.
inline Config tiny_config(const std::string& env) {
  Config c;
  c.env.name = env;
  c.model.ensemble_size = 2;
  c.model.num_elites = 1;
  c.model.hidden_size = 8;
  c.model.num_hidden_layers = 1;
  c.model.weight_decay = {0, 0};
  c.model.max_epochs = 1;
  c.rollout.batch_size = 50;
  c.sac.hidden_sizes = {8};
  c.sac.batch_size = 32;
  c.loop.num_exploration_steps = 50;
  c.loop.min_replay_size = 10;
  return c;
}

}  // namespace mbrl
