// Stand-in for the Daisy hexapod: reward, and what planners need (envs/mujoco/daisy.cpp says what is
// known of the original). Episodes end by their time limit alone.
#pragma once

#include "base/hd.h"
#include "envs/tasks/observation_map.h"

namespace mbrl {

inline constexpr float kDaisyActionScale = 1.0f;

/// Speed along y, which is forward, at the end of the step. observation: the base's velocity in
/// entries 21 to 23, m/s. Pushing costs nothing.
MBRL_HD float daisy_reward(const float* observation) { return observation[22]; }

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool daisy_ends(const float*) { return false; }

MBRL_HD float daisy_cost(const float*, const float* next, const float*) {
  return -daisy_reward(next);
}

/// Observations as they are; the three velocities are predicted themselves.
inline ObservationMap daisy_map() { return {.absolute = 1u << 21 | 1u << 22 | 1u << 23}; }

}  // namespace mbrl
