#include "kernels/cpu/tile_mlp.h"

#include <algorithm>

namespace mbrl {
namespace {

// columns of a weight matrix per update task: about 35 us of work on one core for 256 rows, so that
// eight cores still share one layer
constexpr int kUpdateColumns = 32;

// outputs of a layer that several tiles take in turns: their weights stay in a core's own cache
constexpr int kForwardOutputs = 48;

// room for a tile's features in pairs of them
std::size_t pairs_of(int features) {
  return static_cast<std::size_t>((features + 1) / 2) * kTileRows;
}

}  // namespace

TileMlp::TileMlp(const MlpLayout& layout, Activation hidden, int num_tiles, bool training,
                 TileMlp* input_of, bool bf16)
    : layout_(layout), hidden_(hidden), num_tiles_(num_tiles), training_(training) {
  const int num_layers = layout_.num_layers();
  const auto reserve = [&](std::vector<std::size_t>& offsets, int features) {
    offsets.push_back(tile_size_);
    tile_size_ += static_cast<std::size_t>(features) * kTileRows;
  };
  for (int layer = 0; layer < num_layers; ++layer)
    reserve(x_offset_, layer == 0 && input_of != nullptr ? 0 : layout_.layers[layer].in_pitch);
  reserve(x_offset_, padded(layout_.output_size()));
  if (training) {
    for (const LayerLayout& l : layout_.layers) reserve(dz_offset_, l.out);
  }
  data_ = Buffer<float>(num_tiles * tile_size_, 0.0f);
  if (bf16) {
    for (const LayerLayout& l : layout_.layers)
      tile_pairs_ = std::max(tile_pairs_, pairs_of(std::max(l.in, l.out)));
    for (const LayerLayout& l : layout_.layers) {
      dz_pairs_offset_.push_back(tile_pairs_);
      if (training) tile_pairs_ += static_cast<std::size_t>(l.out) * kTileRows / 2;
    }
    pairs_ = Buffer<Bf16Pair>(num_tiles * tile_pairs_, Bf16Pair{0});
  }
  input_ = input_of == nullptr ? data_.data() + x_offset_[0] : input_of->input_;
  input_stride_ = input_of == nullptr ? tile_size_ : input_of->input_stride_;
  if (!training) return;

  for (int layer = 0; layer < num_layers; ++layer) {
    const LayerLayout& l = layout_.layers[layer];
    // narrow layers are one task: their columns cost less than handing them out
    const int step = l.out >= kUpdateColumns ? kUpdateColumns : l.in_pitch;
    for (int column = 0; column < l.in_pitch; column += step)
      update_tasks_.push_back(
          {layer, column, std::min(column + step, l.in_pitch), /*with_bias=*/column == 0});
  }
}

void TileMlp::forward(const NetworkWeights& w, int tile, Lanes lanes) {
  for (int layer = 0; layer < layout_.num_layers(); ++layer) {
    const LayerLayout& l = layout_.layers[layer];
    const bool save = training_ && activation(layer) == Activation::kSwish;
    const float *bias = w.value + l.bias, *input = x(layer, tile) + lanes.first;
    float* output = x(layer + 1, tile) + lanes.first;
    float* derivative = save ? dz(layer, tile) + lanes.first : nullptr;
    if (w.bf16 == nullptr) {
      simd().dense({w.value + l.weight, bias, l.in, l.out, l.in_pitch, input, output, derivative,
                    activation(layer), lanes.count});
    } else {
      bf16_kernels().pair_features(input, l.in, pairs(tile));
      bf16_kernels().dense({w.bf16->by_inputs(layer), bias, l.in, l.out, l.in_pitch / 2,
                            pairs(tile), output, derivative, activation(layer), lanes.count});
    }
  }
}

void TileMlp::forward_tiles(const NetworkWeights& w, int first, int count) {
  for (int layer = 0; layer < layout_.num_layers(); ++layer) {
    const LayerLayout& l = layout_.layers[layer];
    for (int tile = first; tile < first + count && w.bf16 != nullptr; ++tile)
      bf16_kernels().pair_features(x(layer, tile), l.in, pairs(tile));
    for (int begin = 0; begin < l.out; begin += kForwardOutputs) {
      const int out = std::min(kForwardOutputs, l.out - begin);
      const float* bias = w.value + l.bias + begin;
      for (int tile = first; tile < first + count; ++tile) {
        float* output = x(layer + 1, tile) + begin * kTileRows;
        if (w.bf16 == nullptr) {
          simd().dense({w.value + l.weight + static_cast<std::size_t>(begin) * l.in_pitch, bias,
                        l.in, out, l.in_pitch, x(layer, tile), output, nullptr, activation(layer)});
        } else {
          const int pitch = l.in_pitch / 2;
          bf16_kernels().dense({w.bf16->by_inputs(layer) + static_cast<std::size_t>(begin) * pitch,
                                bias, l.in, out, pitch, pairs(tile), output, nullptr,
                                activation(layer)});
        }
      }
    }
  }
}

// derivative of the activation that produced x(layer), or what gives it
const float* TileMlp::gate(int layer, int tile) {
  return hidden_ == Activation::kSwish ? dz(layer - 1, tile) : x(layer, tile);
}

void TileMlp::backward(const NetworkWeights& w, int tile, Lanes lanes) {
  for (int layer = layout_.num_layers() - 1; layer >= 0; --layer) {
    const LayerLayout& l = layout_.layers[layer];
    const float* dy = dz(layer, tile) + lanes.first;
    if (w.bf16 != nullptr) bf16_kernels().pair_lanes(dy, l.out, dz_pairs(layer, tile));
    if (layer == 0) return;
    float* dx = dz(layer - 1, tile) + lanes.first;
    const float* known = gate(layer, tile) + lanes.first;
    if (w.bf16 == nullptr) {
      simd().dense_backward(
          {w.value + l.weight, l.in, l.out, l.in_pitch, dy, dx, known, hidden_, lanes.count});
    } else {
      bf16_kernels().pair_features(dy, l.out, pairs(tile));
      bf16_kernels().dense_backward({w.bf16->by_outputs(layer), l.in, l.out, l.in_pitch,
                                     pairs(tile), dx, known, hidden_, lanes.count});
    }
  }
}

void TileMlp::input_gradient(const NetworkWeights& w, int tile, int first, int count, float* dx) {
  const LayerLayout& l = layout_.layers[0];
  const float* dy = dz(0, tile);
  if (w.bf16 == nullptr) {
    simd().dense_backward(
        {w.value + l.weight + first, count, l.out, l.in_pitch, dy, dx, nullptr, Activation::kNone});
  } else {
    bf16_kernels().pair_features(dy, l.out, pairs(tile));
    bf16_kernels().dense_backward({w.bf16->by_outputs(0) + first, count, l.out, l.in_pitch,
                                   pairs(tile), dx, nullptr, Activation::kNone});
  }
}

void TileMlp::take_hidden_units(TileMlp& from, const std::uint32_t* rows, int tile) {
  std::uint32_t lane_of[kTileRows];  // floats from a unit of the first tile
  for (int lane = 0; lane < kTileRows; ++lane)
    lane_of[lane] = static_cast<std::uint32_t>(rows[lane] / kTileRows * from.tile_size_ +
                                               rows[lane] % kTileRows);
  for (int layer = 1; layer < layout_.num_layers(); ++layer) {
    const float* units = from.x(layer, 0);
    float* to = x(layer, tile);
    for (int unit = 0; unit < layout_.layers[layer].in; ++unit)
      for (int lane = 0; lane < kTileRows; ++lane)
        to[unit * kTileRows + lane] = units[unit * kTileRows + lane_of[lane]];
  }
}

void TileMlp::update(int task, int num_used_tiles, const NetworkUpdate& network, float* scratch) {
  const UpdateTask& t = update_tasks_[task];
  const LayerLayout& l = layout_.layers[t.layer];
  const auto at = [&](std::size_t offset, float decay) {
    if (network.gradient != nullptr) {
      WeightUpdate gradient_only{};
      gradient_only.gradient = network.gradient + offset;
      return gradient_only;
    }
    return WeightUpdate{network.value + offset,
                        network.m + offset,
                        network.v + offset,
                        network.target == nullptr ? nullptr : network.target + offset,
                        network.tau,
                        decay,
                        network.adam};
  };
  const float decay = network.layer_decay == nullptr ? 0.0f : network.layer_decay[t.layer];
  const std::size_t x_stride = t.layer == 0 ? input_stride_ : tile_size_;
  WeightUpdate weight = at(l.weight, decay);
  if (network.bf16 == nullptr) {
    simd().update_weights({l.out, l.in_pitch, t.column_begin, t.column_end, num_used_tiles,
                           x_stride, tile_size_, x(t.layer, 0), dz(t.layer, 0), weight},
                          scratch);
  } else {
    weight.by_inputs = network.bf16->by_inputs(t.layer);
    weight.by_outputs = network.bf16->by_outputs(t.layer);
    if (network.bf16_target != nullptr)
      weight.target_by_inputs = network.bf16_target->by_inputs(t.layer);
    bf16_kernels().update_weights(
        {l.out, l.in_pitch, t.column_begin, t.column_end, num_used_tiles, x_stride, tile_pairs_,
         x(t.layer, 0), dz_pairs(t.layer, 0), weight},
        reinterpret_cast<Bf16Pair*>(scratch));  // of which nobody reads what another wrote
  }
  if (t.with_bias)
    simd().update_bias({l.out, num_used_tiles, tile_size_, dz(t.layer, 0), at(l.bias, 0.0f)});
}

}  // namespace mbrl
