// Inverted pendulum: reward and end of an episode (OpenAI Gym 0.12.0, InvertedPendulum-v2).
#pragma once

#include "base/hd.h"

namespace mbrl {

/// 1 per step.
MBRL_HD double inverted_pendulum_reward() { return 1.0; }

/// The pole leans by more than 0.2 rad, or the state [x, angle, x', angle'] is not finite.
template <typename T>
MBRL_HD bool inverted_pendulum_terminated(const T* state) {
  bool healthy = state[1] <= T(0.2) && state[1] >= T(-0.2);
  for (int i = 0; i < 4; ++i) healthy = healthy && state[i] - state[i] == T(0);
  return !healthy;
}

/// The end rule in an observation.
MBRL_HD bool inverted_pendulum_ends(const float* o) { return inverted_pendulum_terminated(o); }

}  // namespace mbrl
