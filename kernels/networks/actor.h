// The policy of SAC and of MBPO: a squashed Gaussian whose mean and spread a network gives.
#pragma once

#include <vector>

#include "kernels/networks/mlp_layout.h"
#include "kernels/networks/parameters.h"

namespace mbrl {

/// Network S -> hidden -> 2A with ReLU: means, then raw log standard deviations
/// (kernels/formulas/squashed_gaussian.h).
struct GaussianActor {
  MlpLayout layout;
  TrainedParameters parameters;

  GaussianActor(int observation_size, int action_size, const std::vector<int>& hidden_sizes,
                Memory memory = Memory::kHost)
      : layout(make_mlp_layout(observation_size, hidden_sizes, 2 * action_size)),
        parameters(layout.size, memory) {}

  int observation_size() const { return layout.input_size(); }
  int action_size() const { return layout.output_size() / 2; }
};

}  // namespace mbrl
