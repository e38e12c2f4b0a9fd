// Walker2d: reward and end of an episode (OpenAI Gym 0.12.0, Walker2d-v2).
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Forward velocity, 1 for staying up, a small control cost. dx: meters moved in dt seconds;
/// control: sum of squares of the actuator controls.
MBRL_HD double walker2d_reward(double dx, double dt, double control) {
  return dx / dt + 1.0 - 1e-3 * control;
}

/// The walker left the band of heights between falling and flying, or leans too far. z: torso
/// height in m; angle: of the torso in rad. NaN in either ends the episode; other entries are not
/// looked at.
template <typename T>
MBRL_HD bool walker2d_terminated(T z, T angle) {
  const bool healthy = z > T(0.8) && z < T(2) && angle > T(-1) && angle < T(1);
  return !healthy;
}

/// The end rule in an observation.
MBRL_HD bool walker2d_ends(const float* o) { return walker2d_terminated(o[0], o[1]); }

}  // namespace mbrl
