// Humanoid: reward and end of an episode (OpenAI Gym 0.12.0, Humanoid-v2, with the truncated
// observation of jannerm/mbpo:mbpo/env/humanoid.py).
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Forward velocity, 5 for being healthy, costs of control and impact. dx: meters the center of
/// mass moved in dt seconds; control: sum of squares of the actuator controls; contact: sum of
/// squares of the external forces (N) and torques (N m) on the bodies.
MBRL_HD double humanoid_reward(double dx, double dt, double control, double contact) {
  // 1.25: the reference divides 0.25 dx by the simulator's timestep, a fifth of dt
  const double impact = 5e-7 * contact;
  return 1.25 * dx / dt + 5.0 - 0.1 * control - (impact < 10.0 ? impact : 10.0);
}

/// The torso, z in m, is too low or too high. Like the reference
/// (jannerm/mbpo:mbpo/static/humanoid.py), a NaN does not end the episode.
template <typename T>
MBRL_HD bool humanoid_terminated(T z) {
  return z < T(1) || z > T(2);
}

/// The end rule in an observation.
MBRL_HD bool humanoid_ends(const float* o) { return humanoid_terminated(o[0]); }

}  // namespace mbrl
