// HalfCheetah: reward (OpenAI Gym 0.12.0, HalfCheetah-v2). Episodes end by their time limit alone.
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Forward velocity less a control cost. dx: meters moved in dt seconds; control: sum of squares of
/// the actuator controls.
MBRL_HD double halfcheetah_reward(double dx, double dt, double control) {
  return dx / dt - 0.1 * control;
}

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool halfcheetah_ends(const float*) { return false; }

}  // namespace mbrl
