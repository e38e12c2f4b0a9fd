// Cart-pole swing-up: reward, and what planners need (Chua et al. 2018, arXiv:1805.12114). Episodes
// end by their time limit alone.
#pragma once

#include "base/hd.h"
#include "base/scalar.h"
#include "base/trigonometry.h"
#include "envs/tasks/control.h"
#include "envs/tasks/observation_map.h"

namespace mbrl {

inline constexpr float kCartpoleSwingupActionScale = 3.0f;  // actuator control; 100 N each

/// -1 where the pole's tip is 0.6 m above the cart's rest place, 0 far from there; pushing costs. x:
/// of the cart, m; angle: of the pole from hanging down, rad; control: sum of squares of the
/// actuator controls. NaN goes through.
MBRL_HD float cartpole_swingup_cost_of(float x, float angle, float control) {
  float sine, cosine;
  sincos_f(angle, sine, cosine);
  const float dx = x - 0.6f * sine, dz = -0.6f * cosine - 0.6f;
  return -exp_f(-(dx * dx + dz * dz) / 0.36f) + 0.01f * control;
}

/// Of the state after the step. observation: [x, angle, x', angle'].
MBRL_HD float cartpole_swingup_reward(const float* observation, float control) {
  return -cartpole_swingup_cost_of(observation[0], observation[1], control);
}

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool cartpole_swingup_ends(const float*) { return false; }

MBRL_HD float cartpole_swingup_cost(const float*, const float* next, const float* action) {
  return cartpole_swingup_cost_of(next[0], next[1],
                                  squared_control(action, 1, kCartpoleSwingupActionScale));
}

/// Sine and cosine of the angle, then position and rates; every entry by its change.
inline ObservationMap cartpole_swingup_map() {
  using enum ObservationMap::Read;
  return {.num_inputs = 5,
          .input = {{1, kSine}, {1, kCosine}, {0, kValue}, {2, kValue}, {3, kValue}}};
}

}  // namespace mbrl
