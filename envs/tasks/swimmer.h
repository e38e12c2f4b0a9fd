// Swimmer: reward (OpenAI Gym 0.12.0, Swimmer-v2). Episodes end by their time limit alone.
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Forward velocity less a small control cost. dx: meters moved in dt seconds; control: sum of
/// squares of the actuator controls.
MBRL_HD double swimmer_reward(double dx, double dt, double control) {
  return dx / dt - 1e-4 * control;
}

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool swimmer_ends(const float*) { return false; }

}  // namespace mbrl
