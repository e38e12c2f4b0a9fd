#include "kernels/tile_mlp.h"

#include <algorithm>

namespace mbrl {
namespace {

// columns of a weight matrix per update task: about 35 us of work on one core for 256 rows, so that
// eight cores still share one layer
constexpr int kUpdateColumns = 32;

}  // namespace

TileMlp::TileMlp(const MlpLayout& layout, Activation hidden, int num_tiles, bool training)
    : layout_(layout), hidden_(hidden), num_tiles_(num_tiles) {
  const int num_layers = layout_.num_layers();
  for (int layer = 0; layer <= num_layers; ++layer)
    x_.emplace_back(num_tiles * x_stride(layer), 0.0f);
  if (!training) return;

  for (int layer = 0; layer < num_layers; ++layer) {
    const LayerLayout& l = layout_.layers[layer];
    dz_.emplace_back(num_tiles * dz_stride(layer), 0.0f);
    derivative_.emplace_back(activation(layer) == Activation::kSwish ? num_tiles * dz_stride(layer) : 0,
                             0.0f);
    // narrow layers are one task: their columns cost less than handing them out
    const int step = l.out >= kUpdateColumns ? kUpdateColumns : l.in_pitch;
    for (int column = 0; column < l.in_pitch; column += step)
      update_tasks_.push_back(
          {layer, column, std::min(column + step, l.in_pitch), /*with_bias=*/column == 0});
  }
}

void TileMlp::forward(const float* parameters, int tile) {
  for (int layer = 0; layer < layout_.num_layers(); ++layer) {
    const LayerLayout& l = layout_.layers[layer];
    const bool save = !derivative_.empty() && derivative_[layer].size() > 0;
    simd().dense({parameters + l.weight, parameters + l.bias, l.in, l.out, l.in_pitch, x(layer, tile),
                  x(layer + 1, tile),
                  save ? derivative_[layer].data() + tile * dz_stride(layer) : nullptr,
                  activation(layer)});
  }
}

// derivative of the activation that produced x(layer)
const float* TileMlp::gate(int layer, int tile) {
  if (hidden_ == Activation::kSwish) return derivative_[layer - 1].data() + tile * dz_stride(layer - 1);
  return x(layer, tile);
}

void TileMlp::backward(const float* parameters, int tile) {
  for (int layer = layout_.num_layers() - 1; layer > 0; --layer) {
    const LayerLayout& l = layout_.layers[layer];
    simd().dense_backward({parameters + l.weight, l.in, l.out, l.in_pitch, dz(layer, tile),
                           dz(layer - 1, tile), gate(layer, tile), hidden_});
  }
}

void TileMlp::input_gradient(const float* parameters, int tile, float* dx) {
  const LayerLayout& l = layout_.layers[0];
  simd().dense_backward({parameters + l.weight, l.in, l.out, l.in_pitch, dz(0, tile), dx, nullptr,
                         Activation::kNone});
}

void TileMlp::update(int task, int num_used_tiles, const NetworkUpdate& network, float* scratch) {
  const UpdateTask& t = update_tasks_[task];
  const LayerLayout& l = layout_.layers[t.layer];
  const auto at = [&](std::size_t offset, float decay) {
    return WeightUpdate{network.value + offset,
                        network.m + offset,
                        network.v + offset,
                        network.target == nullptr ? nullptr : network.target + offset,
                        network.tau,
                        decay,
                        network.adam};
  };
  const float decay = network.layer_decay == nullptr ? 0.0f : network.layer_decay[t.layer];
  simd().update_weights({l.out, l.in_pitch, t.column_begin, t.column_end, num_used_tiles, x(t.layer, 0),
                         x_stride(t.layer), dz(t.layer, 0), dz_stride(t.layer), at(l.weight, decay)},
                        scratch);
  if (t.with_bias)
    simd().update_bias({l.out, num_used_tiles, dz(t.layer, 0), dz_stride(t.layer), at(l.bias, 0.0f)});
}

}  // namespace mbrl
