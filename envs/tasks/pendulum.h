// Pendulum swing-up: reward (OpenAI Gym, Pendulum-v1) and what planners need. Episodes end by their
// time limit alone.
#pragma once

#include "base/hd.h"
#include "base/scalar.h"
#include "envs/tasks/observation_map.h"

namespace mbrl {

/// Negative cost of being away from upright, moving, and pushing. angle in [-pi, pi) from upright,
/// rate in rad/s, torque in N m. In double, as the simulated state; imagined rollouts learn the
/// reward.
MBRL_HD double pendulum_reward(double angle, double rate, double torque) {
  return -(angle * angle + 0.1 * rate * rate + 0.001 * torque * torque);
}

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool pendulum_ends(const float*) { return false; }

inline constexpr float kPendulumActionScale = 2.0f;  // N m

/// The reward's terms in the predicted state, where the reward takes them before the step; the angle
/// as 2 - 2 cos, which is its square where it is small and needs no arc tangent.
MBRL_HD float pendulum_cost(const float*, const float* next, const float* action) {
  const float torque = kPendulumActionScale * action[0];
  return 2.0f - 2.0f * next[0] + 0.1f * next[2] * next[2] + 0.001f * torque * torque;
}
inline ObservationMap pendulum_map() { return {}; }

}  // namespace mbrl
