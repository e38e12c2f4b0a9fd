// Two critics of one shape, whose smaller value counts (Fujimoto et al. 2018, arXiv:1802.09477).
#pragma once

#include <vector>

#include "cuda/buffer.h"
#include "kernels/networks/mlp_layout.h"
#include "kernels/networks/parameters.h"

namespace mbrl {

/// Networks S + A -> hidden -> 1 with ReLU: the value of an action, in reward units.
struct TwinCritic {
  MlpLayout layout;
  TrainedParameters critic[2];
  Buffer<float> target[2];  // parameters averaged over the updates

  TwinCritic(int observation_size, int action_size, const std::vector<int>& hidden_sizes,
             Memory memory = Memory::kHost)
      : layout(make_mlp_layout(observation_size + action_size, hidden_sizes, 1)),
        critic{TrainedParameters(layout.size, memory), TrainedParameters(layout.size, memory)},
        target{Buffer<float>(layout.size, 0.0f, memory, "target critic"),
               Buffer<float>(layout.size, 0.0f, memory, "target critic")} {}
};

}  // namespace mbrl
