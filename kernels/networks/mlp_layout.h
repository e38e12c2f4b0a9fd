// Where each weight of a multilayer perceptron lies in its flat arena: one table for every device,
// the optimizer and checkpoints.
#pragma once

#include <cstddef>
#include <vector>

#include "base/hd.h"

namespace mbrl {

/// Rows of a batch that one task carries through a whole network (CPU task, GPU block).
constexpr int kTileRows = 32;

/// Widths in an arena are padded to this many floats. Padding is zero and stays zero: its
/// activations are zero, so are its gradients and hence its Adam steps.
constexpr int kPad = 16;

MBRL_HD constexpr int padded(int size) { return (size + kPad - 1) / kPad * kPad; }
MBRL_HD constexpr int num_tiles(int rows) { return (rows + kTileRows - 1) / kTileRows; }

/// One affine layer y = W x + b. Offsets count floats from the start of the network.
struct LayerLayout {
  int in, out;
  int in_pitch;        // floats between rows of W: padded(in)
  std::size_t weight;  // W: [out, in_pitch]
  std::size_t bias;    // b: [padded(out)]
};

/// Layers in order and the size of the arena that holds them.
struct MlpLayout {
  std::vector<LayerLayout> layers;
  std::size_t size = 0;  // floats

  int input_size() const { return layers.front().in; }
  int output_size() const { return layers.back().out; }
  int num_layers() const { return static_cast<int>(layers.size()); }
};

/// Layout of a network with the given widths, input first, output last. Widths are padded to a
/// multiple of `pad`: devices want kPad, networks on the host none.
inline MlpLayout make_mlp_layout(const std::vector<int>& widths, int pad = kPad) {
  const auto round_up = [pad](int size) { return (size + pad - 1) / pad * pad; };
  MlpLayout layout;
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    LayerLayout layer{widths[i], widths[i + 1], round_up(widths[i]), layout.size, 0};
    layer.bias = layer.weight + static_cast<std::size_t>(layer.out) * layer.in_pitch;
    layout.size = layer.bias + round_up(layer.out);
    layout.layers.push_back(layer);
  }
  return layout;
}

/// Layout of a network of `hidden` layers between `in` inputs and `out` outputs.
inline MlpLayout make_mlp_layout(int in, const std::vector<int>& hidden, int out) {
  std::vector<int> widths{in};
  widths.insert(widths.end(), hidden.begin(), hidden.end());
  widths.push_back(out);
  return make_mlp_layout(widths);
}

}  // namespace mbrl
