// Pendulum swing-up: reward (OpenAI Gym, Pendulum-v1). Episodes end by their time limit alone.
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Negative cost of being away from upright, moving, and pushing. angle in [-pi, pi) from upright,
/// rate in rad/s, torque in N m. In double, as the simulated state; imagined rollouts learn the
/// reward.
MBRL_HD double pendulum_reward(double angle, double rate, double torque) {
  return -(angle * angle + 0.1 * rate * rate + 0.001 * torque * torque);
}

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool pendulum_ends(const float*) { return false; }

}  // namespace mbrl
