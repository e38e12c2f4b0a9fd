// Section "rollout": imagined transitions.
#pragma once

#include <vector>

#include "base/keys.h"

namespace mbrl {

/// Branched imagined rollouts.
struct RolloutConfig {
  MBRL_KEY(int, batch_size, "start states of imagined rollouts after each fit", Unit{"states"},
           at_least(1)) = 100000;
  MBRL_KEY(std::vector<float>, schedule,
           "rollout length over epochs: [first epoch, last epoch, first length, last length]",
           Unit{"epochs, env steps"}, at_least(0), NumItems{4}) = {20.0f, 150.0f, 1.0f, 15.0f};
  MBRL_KEY(int, retain_epochs, "epochs of imagined data the model replay holds", Unit{"epochs"},
           at_least(1)) = 1;
  MBRL_KEY(int, interval, "distance between rollouts; 0: after each fit", Unit{"env steps"},
           at_least(0), kLive) = 0;
};

}  // namespace mbrl
