// Reacher: reward (Gymnasium, Reacher-v5). Episodes end by their time limit alone.
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Negative costs of being away from the target and of pushing. distance: from the fingertip to the
/// target in m; control: sum of squares of the actuator controls.
MBRL_HD double reacher_reward(double distance, double control) { return -distance - control; }

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool reacher_ends(const float*) { return false; }

}  // namespace mbrl
