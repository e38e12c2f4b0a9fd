// A policy apart from its learner: what takes a raw observation to an action of the environment's
// own, nothing left to chance.
#pragma once

#include <span>
#include <vector>

#include "envs/spec.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {

/// scaled      = clip((observation - mean) inv_std, -limit, limit), where there is a mean
/// y           = layers, with `hidden` between them
/// normalized  = tanh(y) or clip(y, -1, 1)
/// action      = (low + high) / 2 + normalized (high - low) / 2, within low and high
struct PolicyNetwork {
  enum class Hidden { kRelu, kTanh };
  enum class Squash { kTanh, kClip };
  struct Layer {
    int in, out;
    std::vector<float> weight;  // [out, in]
    std::vector<float> bias;    // [out]
  };

  std::vector<double> mean = {}, inv_std = {};  // [S], or empty: observations as they are
  double limit = 0.0;
  std::vector<Layer> layers;
  Hidden hidden;
  Squash squash;
  std::vector<float> low, high;  // [A]

  int observation_size() const { return layers.front().in; }
  int action_size() const { return layers.back().out; }
  /// Whether [-1, 1] is what the environment takes.
  bool has_usual_bounds() const;

  /// The action [A] for an observation [S]. Sums are in double.
  std::vector<float> act(std::span<const float> observation) const;

  /// An action of the environment's for one in [-1, 1].
  float to_environment(int i, float normalized) const;
};

/// The layers of a network on the host, of the last one `num_outputs` rows.
std::vector<PolicyNetwork::Layer> network_layers(const MlpLayout& layout, const float* parameters,
                                                 int num_outputs);

}  // namespace mbrl
