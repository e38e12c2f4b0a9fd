// What one row of an imagined step does, for both devices.
#pragma once

#include <cstdint>

#include "base/hd.h"

namespace mbrl {

/// Logical step of the draws of a step: calls are far apart, steps within a call count up.
MBRL_HD std::uint64_t rollout_draw_step(std::uint64_t rollout_index, int step) {
  return rollout_index * 65536u + static_cast<std::uint64_t>(step);
}

/// x - x is 0 for finite x only.
MBRL_HD bool is_finite_f(float x) { return x - x == 0.0f; }

/// Turns the targets that a model predicted into a reward and a state, in place: the entries of the
/// state become those of the next observation. Consecutive targets are `stride` floats apart.
/// Returns whether all are finite.
template <typename Maps>
MBRL_HD bool apply_prediction(const Maps& maps, const float* from, int observation_size,
                              float* targets, int stride) {
  bool finite = true;
  for (int i = 0; i < observation_size; ++i) {
    float& entry = targets[(maps.first_state() + i) * stride];
    entry = maps.state(i, from[i], entry);
    finite = finite && is_finite_f(entry);
  }
  return finite && (!maps.reward || is_finite_f(targets[0]));
}

/// Whether a predicted end, of a model that has one, ends the branch.
MBRL_HD bool predicts_end(float predicted, float threshold) { return predicted > threshold; }

}  // namespace mbrl
