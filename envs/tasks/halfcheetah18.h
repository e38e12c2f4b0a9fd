// HalfCheetah that observes its speed: reward, and what planners need (Chua et al. 2018,
// arXiv:1805.12114). Episodes end by their time limit alone.
#pragma once

#include "base/hd.h"
#include "envs/tasks/control.h"
#include "envs/tasks/observation_map.h"

namespace mbrl {

inline constexpr float kHalfCheetah18ActionScale = 1.0f;

/// Less the faster it runs forward; pushing costs. speed: m/s; control: sum of squares of the
/// actuator controls.
MBRL_HD float halfcheetah18_cost_of(float speed, float control) { return -speed + 0.1f * control; }

/// speed: the mean over the step.
MBRL_HD float halfcheetah18_reward(float speed, float control) {
  return -halfcheetah18_cost_of(speed, control);
}

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool halfcheetah18_ends(const float*) { return false; }

MBRL_HD float halfcheetah18_cost(const float*, const float* next, const float* action) {
  return halfcheetah18_cost_of(next[0], squared_control(action, 6, kHalfCheetah18ActionScale));
}

/// All but the speed, which is predicted itself; sine and cosine of the trunk's angle.
inline ObservationMap halfcheetah18_map() {
  using enum ObservationMap::Read;
  ObservationMap map{
      .num_inputs = 18, .input = {{1, kValue}, {2, kSine}, {2, kCosine}}, .absolute = 1u << 0};
  for (int i = 3; i < 18; ++i) map.input[i] = {static_cast<std::uint8_t>(i), kValue};
  return map;
}

}  // namespace mbrl
