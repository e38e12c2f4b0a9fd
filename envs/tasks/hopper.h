// Hopper: reward and end of an episode (Erez, Tassa, Todorov 2012, as in OpenAI Gym 0.12.0,
// Hopper-v2).
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Forward velocity, 1 for staying up, a small control cost. dx: meters moved in dt seconds;
/// control: sum of squares of the actuator controls.
MBRL_HD double hopper_reward(double dx, double dt, double control) {
  return dx / dt + 1.0 - 1e-3 * control;
}

/// The hopper has fallen, or its state is not to be believed. z: torso height in m; angle: of the
/// torso in rad; others: all further entries of the state.
template <typename T>
MBRL_HD bool hopper_terminated(T z, T angle, const T* others, int num_others) {
  // a comparison with NaN is false, so NaN ends the episode, and so does an infinite height
  bool healthy = z > T(0.7) && z < T(1e30) && angle < T(0.2) && angle > T(-0.2);
  // reference (jannerm/mbpo:mbpo/static/hopper.py) bounds the state from above only
  for (int i = 0; i < num_others; ++i)
    healthy = healthy && others[i] < T(100) && others[i] > T(-100);
  return !healthy;
}

/// The end rule in an observation.
MBRL_HD bool hopper_ends(const float* o) { return hopper_terminated(o[0], o[1], o + 1, 10); }

}  // namespace mbrl
