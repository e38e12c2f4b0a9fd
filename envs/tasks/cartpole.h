// Cart-pole: reward and end of an episode (Barto, Sutton, Anderson 1983, as in OpenAI Gym,
// CartPole-v1).
#pragma once

#include "base/hd.h"

namespace mbrl {

/// 1 per step, the last one included.
MBRL_HD double cartpole_reward() { return 1.0; }

/// The cart left its track (2.4 m) or the pole leans by more than 12 degrees. state: [x, x', angle,
/// angle']; NaN ends the episode.
template <typename T>
MBRL_HD bool cartpole_terminated(const T* state) {
  const T angle_limit = T(12.0 * 3.14159265358979 / 180.0);
  const bool healthy = state[0] <= T(2.4) && state[0] >= T(-2.4) && state[2] <= angle_limit &&
                       state[2] >= -angle_limit;
  return !healthy;
}

/// The end rule in an observation.
MBRL_HD bool cartpole_ends(const float* o) { return cartpole_terminated(o); }

}  // namespace mbrl
