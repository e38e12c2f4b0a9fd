// Hopper that observes its speed and falls without an end: reward, and what planners need (Zhang et
// al. 2021, arXiv:2102.13651). Episodes end by their time limit alone.
#pragma once

#include "base/hd.h"
#include "envs/tasks/control.h"
#include "envs/tasks/observation_map.h"

namespace mbrl {

inline constexpr float kHopper12ActionScale = 1.0f;

/// Less the faster it hops forward; a small control cost. speed: m/s; control: sum of squares of the
/// actuator controls.
MBRL_HD float hopper12_cost_of(float speed, float control) { return -speed + 1e-3f * control; }

/// speed: the mean over the step. Standing (hopper_terminated is false) earns 1, of which planners
/// hear nothing (automl/HPO_for_RL:dmbrl/env/hopper.py and dmbrl/config/hopper.py).
MBRL_HD float hopper12_reward(float speed, float control, bool stands) {
  return -hopper12_cost_of(speed, control) + (stands ? 1.0f : 0.0f);
}

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool hopper12_ends(const float*) { return false; }

MBRL_HD float hopper12_cost(const float*, const float* next, const float* action) {
  return hopper12_cost_of(next[0], squared_control(action, 3, kHopper12ActionScale));
}

/// All but the speed, which is predicted itself.
inline ObservationMap hopper12_map() {
  using enum ObservationMap::Read;
  ObservationMap map{.num_inputs = 11, .absolute = 1u << 0};
  for (int i = 0; i < 11; ++i) map.input[i] = {static_cast<std::uint8_t>(i + 1), kValue};
  return map;
}

}  // namespace mbrl
