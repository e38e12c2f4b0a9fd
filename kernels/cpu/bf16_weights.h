// bf16 copies of a network's weights, as the tile kernels read them.
//
//   by inputs:   W by rows, two consecutive inputs to a word, for y = W x
//   by outputs:  two consecutive outputs (rows) of W to a word, for dx = W^T dy
//
// Parameters and optimizer stay in fp32. The update of the weights keeps the copies up to date;
// refresh() makes them anew where something else may have changed the parameters.
#pragma once

#include <cstddef>
#include <vector>

#include "base/bf16.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {

class Bf16Weights {
 public:
  explicit Bf16Weights(const MlpLayout& layout);

  /// From the network's parameters, biases aside.
  void refresh(const float* parameters);

  Bf16Pair* by_inputs(int layer) { return by_inputs_.data() + layout_.layers[layer].weight / 2; }
  const Bf16Pair* by_inputs(int layer) const {
    return by_inputs_.data() + layout_.layers[layer].weight / 2;
  }
  Bf16Pair* by_outputs(int layer) { return by_outputs_.data() + by_outputs_offset_[layer]; }
  const Bf16Pair* by_outputs(int layer) const {
    return by_outputs_.data() + by_outputs_offset_[layer];
  }

 private:
  MlpLayout layout_;
  Buffer<Bf16Pair> by_inputs_;  // at half the offsets of the arena
  std::vector<std::size_t> by_outputs_offset_;
  Buffer<Bf16Pair> by_outputs_;
};

/// Whether a stage multiplies in bf16 on a stream of the CPU.
inline bool multiplies_bf16(const Stream& cpu) { return cpu.precision() == Precision::kBf16; }

/// Copies for `count` networks of one layout; none where products are in fp32.
inline std::vector<Bf16Weights> make_bf16_weights(bool bf16, const MlpLayout& layout, int count) {
  std::vector<Bf16Weights> copies;
  for (int i = 0; bf16 && i < count; ++i) copies.emplace_back(layout);
  return copies;
}
/// The copies of network i, or null.
inline Bf16Weights* bf16_of(std::vector<Bf16Weights>& copies, int i) {
  return copies.empty() ? nullptr : &copies[static_cast<std::size_t>(i)];
}

}  // namespace mbrl
