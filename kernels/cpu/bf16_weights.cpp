#include "kernels/cpu/bf16_weights.h"

namespace mbrl {

Bf16Weights::Bf16Weights(const MlpLayout& layout)
    : layout_(layout), by_inputs_(layout.size / 2, Bf16Pair{0}) {
  std::size_t size = 0;
  for (const LayerLayout& l : layout_.layers) {
    by_outputs_offset_.push_back(size);
    size += static_cast<std::size_t>((l.out + 1) / 2) * l.in_pitch;
  }
  by_outputs_ = Buffer<Bf16Pair>(size, Bf16Pair{0});
}

void Bf16Weights::refresh(const float* parameters) {
  for (int layer = 0; layer < layout_.num_layers(); ++layer) {
    const LayerLayout& l = layout_.layers[layer];
    const float* weight = parameters + l.weight;
    Bf16Pair* pairs = by_inputs(layer);
    const std::size_t count = static_cast<std::size_t>(l.out) * l.in_pitch;
    bf16_pairs(weight, count / 2, pairs);
    pairs = by_outputs(layer);
    for (int row = 0; row < l.out; row += 2, weight += 2 * l.in_pitch, pairs += l.in_pitch)
      for (int i = 0; i < l.in_pitch; ++i)
        pairs[i] = bf16_pair(weight[i], row + 1 < l.out ? weight[l.in_pitch + i] : 0.0f);
  }
}

}  // namespace mbrl
