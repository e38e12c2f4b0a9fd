// Pusher: reward, and what planners need (Chua et al. 2018, arXiv:1805.12114). Episodes end by their
// time limit alone.
#pragma once

#include "base/hd.h"
#include "base/scalar.h"
#include "envs/tasks/control.h"
#include "envs/tasks/observation_map.h"

namespace mbrl {

inline constexpr float kPusherActionScale = 2.0f;  // N m

/// Distances from the hand to the object and from the object to its goal, each the sum over x, y
/// and z; pushing costs. observation: hand in entries 14 to 16, object in 17 to 19, m; control: sum
/// of squares of the actuator controls. NaN goes through.
MBRL_HD float pusher_cost_of(const float* observation, float control) {
  const float *hand = observation + 14, *object = observation + 17;
  const float to_object =
      absolute(hand[0] - object[0]) + absolute(hand[1] - object[1]) + absolute(hand[2] - object[2]);
  // the goal never moves, and no observation holds it
  const float to_goal =
      absolute(0.45f - object[0]) + absolute(-0.05f - object[1]) + absolute(-0.323f - object[2]);
  return 0.5f * to_object + 1.25f * to_goal + 0.1f * control;
}

/// Of the state BEFORE the step and the controls of the step, where a planner's cost is of the
/// state after it (kchua/handful-of-trials:dmbrl/env/pusher.py and dmbrl/config/pusher.py).
MBRL_HD float pusher_reward(const float* observation_before, float control) {
  return -pusher_cost_of(observation_before, control);
}

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool pusher_ends(const float*) { return false; }

MBRL_HD float pusher_cost(const float*, const float* next, const float* action) {
  return pusher_cost_of(next, squared_control(action, 7, kPusherActionScale));
}

/// Observations as they are; every entry by its change.
inline ObservationMap pusher_map() { return {}; }

}  // namespace mbrl
