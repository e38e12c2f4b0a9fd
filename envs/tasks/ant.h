// Ant: reward and end of an episode (OpenAI Gym 0.12.0, Ant-v2, with the truncated observation of
// jannerm/mbpo:mbpo/env/ant.py).
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Forward velocity, 1 for being healthy, costs of control and contact. dx: meters the torso moved
/// in dt seconds; control: sum of squares of the actuator controls; contact: sum of squares of the
/// external forces and torques on the bodies, each clipped to +-1 N or N m.
MBRL_HD double ant_reward(double dx, double dt, double control, double contact) {
  return dx / dt + 1.0 - 0.5 * control - 5e-4 * contact;
}

/// The torso is too low or too high, or an entry of the state is not finite. z: torso height in m,
/// the bounds included; state: all entries, z among them.
template <typename T>
MBRL_HD bool ant_terminated(T z, const T* state, int size) {
  bool healthy = z >= T(0.2) && z <= T(1);
  for (int i = 0; i < size; ++i) healthy = healthy && state[i] - state[i] == T(0);
  return !healthy;
}

/// The end rule in an observation.
MBRL_HD bool ant_ends(const float* o) { return ant_terminated(o[0], o, 27); }

}  // namespace mbrl
