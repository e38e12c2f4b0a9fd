// A user's own robot: reward and end of an episode in the forms that the shipped walkers share,
// with numbers from the config.
#pragma once

#include "base/hd.h"
#include "envs/spec.h"

namespace mbrl {

/// forward_weight x' + alive - control_cost |u|^2, x' = dx / dt the mean speed of the step (m/s)
/// and |u|^2 the sum of squared controls.
MBRL_HD double mjcf_reward(double forward_weight, double alive, double control_cost, double dx,
                           double dt, double squared_control) {
  return forward_weight * dx / dt + alive - control_cost * squared_control;
}

/// Whether an entry of the observation has left its bounds; NaN has.
MBRL_HD bool out_of_bounds(const EndBounds& bounds, const float* observation) {
  for (int i = 0; i < bounds.count; ++i) {
    const EndBounds::Entry& b = bounds.entry[i];
    if (!(observation[b.index] >= b.low && observation[b.index] <= b.high)) return true;
  }
  return false;
}

}  // namespace mbrl
