// A tile of model inputs on the CPU: training, holdout and analysis read records the same way.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/data/transition.h"
#include "kernels/formulas/ensemble_rows.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {

/// Brings a tile's records near while other work is done: rows of a replay lie far apart, and the
/// first look at each was most of a gather's time.
inline void expect_records(const TransitionsView& data, const std::uint32_t* indices, int rows) {
  constexpr int kLine = 64 / sizeof(float);
  for (int row = 0; row < rows; ++row)
    for (int i = 0; i < data.layout.pitch(); i += kLine)
      __builtin_prefetch(data.record(indices[row]) + i, 0, 2);
}

/// Fills a tile of a member's input [inputs, 32], scaled: row `lane` is record indices[lane]; lanes
/// from `rows` on repeat the last row. mean, inv_std: one per input.
inline void gather_model_input(const ModelMaps& maps, const TransitionsView& data,
                               const std::uint32_t* indices, int rows, const float* mean,
                               const float* inv_std, float* x) {
  const TransitionLayout& layout = data.layout;
  const int inputs = maps.num_inputs(layout.observation_size, layout.action_size);
  for (int lane = 0; lane < kTileRows; ++lane) {
    const float* record = data.record(indices[std::min(lane, rows - 1)]);
    for (int i = 0; i < inputs; ++i)
      x[i * kTileRows + lane] = normalize(maps.input_of(record, layout, i), mean[i], inv_std[i]);
  }
}

/// The inputs that a model makes of observations, scaled: of those of a tile [S, 32] into the first
/// inputs of x.
inline void read_observations(const ModelMaps& maps, int observation_size, const float* state,
                              const float* mean, const float* inv_std, float* x) {
  const ObservationMap& map = maps.observation;
  for (int i = 0; i < map.size(observation_size); ++i) {
    const bool as_it_is = map.num_inputs == 0 || map.input[i].read == ObservationMap::Read::kValue;
    const float* entry = state + (map.num_inputs == 0 ? i : map.input[i].entry) * kTileRows;
    float* input = x + i * kTileRows;
    if (as_it_is) {
      for (int lane = 0; lane < kTileRows; ++lane)
        input[lane] = normalize(entry[lane], mean[i], inv_std[i]);
    } else if (map.input[i].read == ObservationMap::Read::kSine) {
      for (int lane = 0; lane < kTileRows; ++lane)
        input[lane] = normalize(sin_f(entry[lane]), mean[i], inv_std[i]);
    } else {
      for (int lane = 0; lane < kTileRows; ++lane)
        input[lane] = normalize(cos_f(entry[lane]), mean[i], inv_std[i]);
    }
  }
}

}  // namespace mbrl
