// Section "sac": the learner of policy and critics in mbpo and sac.
#pragma once

#include <string>
#include <vector>

#include "base/keys.h"

namespace mbrl {

/// Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905).
struct SacConfig {
  MBRL_KEY(std::vector<int>, hidden_sizes, "widths of the hidden layers of actor and critics",
           Unit{"units"}, at_least(1)) = {256, 256};
  MBRL_KEY(float, learning_rate, "Adam's step size for actor, critics and temperature", above(0),
           kLive) = 3e-4f;
  MBRL_KEY(float, discount, "discount of the return", Unit{"per env step"}, between(0, 1),
           kLive) = 0.99f;
  MBRL_KEY(float, tau, "step of the target critics towards the critics", Unit{"per update"},
           Range{.low = 0, .high = 1, .low_open = true}, kLive) = 0.005f;
  MBRL_KEY(int, batch_size, "rows of a policy update", Unit{"rows"}, at_least(1)) = 256;
  MBRL_KEY(float, init_alpha, "start of the temperature", Unit{"reward units per nat"},
           above(0)) = 1.0f;
  MBRL_KEY(bool, auto_target_entropy, "take minus the action size as the target entropy") = true;
  MBRL_KEY(float, target_entropy, "target entropy when auto_target_entropy is off", Unit{"nats"},
           kLive) = 0.0f;
  MBRL_KEY(int, updates_per_step, "policy updates after each env step", Unit{"updates"},
           at_least(0), kLive) = 20;
  MBRL_KEY(std::string, update_order,
           "sequential: the actor sees the updated critics; simultaneous: all gradients from the "
           "parameters before the update",
           Choices{{"sequential", "simultaneous"}}, kVariant) = "sequential";
};

}  // namespace mbrl
