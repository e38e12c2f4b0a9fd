#include "kernels/cpu/tile_mlp.h"

#include <algorithm>

namespace mbrl {
namespace {

// columns of a weight matrix per update task: about 35 us of work on one core for 256 rows, so that
// eight cores still share one layer
constexpr int kUpdateColumns = 32;

// outputs of a layer that several tiles take in turns: their weights stay in a core's own cache
constexpr int kForwardOutputs = 48;

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
    reserve(x_offset_, layer == 0 ? (input_of == nullptr ? layout_.layers[0].in_pitch : 0)
                                  : (bf16 ? 0 : layout_.layers[layer].in_pitch));
  reserve(x_offset_, padded(layout_.output_size()));
  if (training) {
    // in bf16 the errors of hidden units are pairs alone, and their floats hold derivatives of swish
    for (int layer = 0; layer < num_layers; ++layer) {
      const bool has_floats = !bf16 || layer + 1 == num_layers || saves_derivative(layer);
      reserve(dz_offset_, has_floats ? layout_.layers[layer].out : 0);
    }
  }
  data_ = Buffer<float>(num_tiles * tile_size_, 0.0f);
  if (bf16) {
    const auto reserve_pairs = [&](int rows, int pairs) {
      const std::size_t offset = tile_pairs_;
      tile_pairs_ += static_cast<std::size_t>(rows) * pairs;
      return offset;
    };
    int max_out = 0;
    for (const LayerLayout& l : layout_.layers) {
      x_pairs_offset_.push_back(reserve_pairs(l.in_pitch / 2, kTileRows));
      dz_lanes_offset_.push_back(reserve_pairs(training ? l.out : 0, kTileRows / 2));
      max_out = std::max(max_out, l.out);
    }
    for (std::size_t& offset : dz_pairs_offset_)
      offset = reserve_pairs(training ? (max_out + 1) / 2 : 0, kTileRows);
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
  if (w.bf16 != nullptr) return forward_bf16(w, tile);
  for (int layer = 0; layer < layout_.num_layers(); ++layer) {
    const LayerLayout& l = layout_.layers[layer];
    simd().dense({w.value + l.weight, w.value + l.bias, l.in, l.out, l.in_pitch,
                  x(layer, tile) + lanes.first, x(layer + 1, tile) + lanes.first,
                  saves_derivative(layer) ? dz(layer, tile) + lanes.first : nullptr,
                  activation(layer), lanes.count});
  }
}

void TileMlp::forward_bf16(const NetworkWeights& w, int tile) {
  bf16_kernels().pair_features(x(0, tile), layout_.input_size(), x_pairs(0, tile));
  for (int layer = 0; layer < layout_.num_layers(); ++layer)
    dense_bf16(w, layer, 0, layout_.layers[layer].out, tile);
}

void TileMlp::dense_bf16(const NetworkWeights& w, int layer, int begin, int count, int tile) {
  const LayerLayout& l = layout_.layers[layer];
  const int pitch = l.in_pitch / 2;
  const bool last = layer + 1 == layout_.num_layers();
  bf16_kernels().dense(
      {w.bf16->by_inputs(layer) + static_cast<std::size_t>(begin) * pitch, w.value + l.bias + begin,
       l.in, count, pitch, x_pairs(layer, tile), last ? output(tile) + begin * kTileRows : nullptr,
       saves_derivative(layer) ? dz(layer, tile) + begin * kTileRows : nullptr, activation(layer),
       kTileRows, last ? nullptr : x_pairs(layer + 1, tile) + begin / 2 * kTileRows});
}

void TileMlp::forward_tiles(const NetworkWeights& w, int first, int count) {
  for (int tile = first; tile < first + count && w.bf16 != nullptr; ++tile)
    bf16_kernels().pair_features(x(0, tile), layout_.input_size(), x_pairs(0, tile));
  for (int layer = 0; layer < layout_.num_layers(); ++layer) {
    const LayerLayout& l = layout_.layers[layer];
    for (int begin = 0; begin < l.out; begin += kForwardOutputs) {
      const int out = std::min(kForwardOutputs, l.out - begin);
      for (int tile = first; tile < first + count; ++tile) {
        if (w.bf16 != nullptr) {
          dense_bf16(w, layer, begin, out, tile);
        } else {
          simd().dense({w.value + l.weight + static_cast<std::size_t>(begin) * l.in_pitch,
                        w.value + l.bias + begin, l.in, out, l.in_pitch, x(layer, tile),
                        x(layer + 1, tile) + begin * kTileRows, nullptr, activation(layer)});
        }
      }
    }
  }
}

void TileMlp::backward(const NetworkWeights& w, int tile, Lanes lanes) {
  if (w.bf16 != nullptr) return backward_bf16(w, tile);
  for (int layer = layout_.num_layers() - 1; layer > 0; --layer) {
    const LayerLayout& l = layout_.layers[layer];
    float* dx = dz(layer - 1, tile) + lanes.first;
    // the derivative of the activation that produced x(layer), or what gives it
    const float* gate = hidden_ == Activation::kSwish ? dx : x(layer, tile) + lanes.first;
    simd().dense_backward({w.value + l.weight, l.in, l.out, l.in_pitch,
                           dz(layer, tile) + lanes.first, dx, gate, hidden_, lanes.count});
  }
}

void TileMlp::backward_bf16(const NetworkWeights& w, int tile) {
  const int last = layout_.num_layers() - 1;
  const int outputs = layout_.output_size();
  bf16_kernels().pair_lanes(dz(last, tile), outputs, dz_lanes(last, tile));
  bf16_kernels().pair_features(dz(last, tile), outputs, dz_pairs(last, tile));
  for (int layer = last; layer > 0; --layer) {
    const LayerLayout& l = layout_.layers[layer];
    const bool swish = hidden_ == Activation::kSwish;
    bf16_kernels().dense_backward({w.bf16->by_outputs(layer), l.in, l.out, l.in_pitch,
                                   dz_pairs(layer, tile), nullptr,
                                   swish ? dz(layer - 1, tile) : nullptr, hidden_, kTileRows,
                                   swish ? nullptr : x_pairs(layer, tile),
                                   dz_pairs(layer - 1, tile), dz_lanes(layer - 1, tile)});
  }
}

void TileMlp::input_gradient(const NetworkWeights& w, int tile, int first, int count, float* dx) {
  const LayerLayout& l = layout_.layers[0];
  if (w.bf16 == nullptr) {
    simd().dense_backward({w.value + l.weight + first, count, l.out, l.in_pitch, dz(0, tile), dx,
                           nullptr, Activation::kNone});
  } else {
    bf16_kernels().dense_backward({w.bf16->by_outputs(0) + first, count, l.out, l.in_pitch,
                                   dz_pairs(0, tile), dx, nullptr, Activation::kNone});
  }
}

void TileMlp::take_hidden_units(TileMlp& from, const std::uint32_t* rows, int tile) {
  // T: a number for each lane; `stride` of them from a tile of `from` to the next
  const auto take = [rows](const auto* units, std::size_t stride, int count, auto* to) {
    std::size_t lane_of[kTileRows];
    for (int lane = 0; lane < kTileRows; ++lane)
      lane_of[lane] = rows[lane] / kTileRows * stride + rows[lane] % kTileRows;
    for (int unit = 0; unit < count; ++unit)
      for (int lane = 0; lane < kTileRows; ++lane)
        to[unit * kTileRows + lane] = units[unit * kTileRows + lane_of[lane]];
  };
  for (int layer = 1; layer < layout_.num_layers(); ++layer) {
    const int units = layout_.layers[layer].in;
    if (pairs_.size() == 0) {
      take(from.x(layer, 0), from.tile_size_, units, x(layer, tile));
    } else {
      take(from.x_pairs(layer, 0), from.tile_pairs_, (units + 1) / 2, x_pairs(layer, tile));
    }
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
  WeightUpdate weight = at(l.weight, decay);
  if (network.bf16 == nullptr) {
    const std::size_t x_stride = t.layer == 0 ? input_stride_ : tile_size_;
    simd().update_weights({l.out, l.in_pitch, t.column_begin, t.column_end, num_used_tiles,
                           x_stride, tile_size_, x(t.layer, 0), dz(t.layer, 0), weight},
                          scratch);
  } else {
    if (network.gradient == nullptr) {
      weight.by_inputs = network.bf16->by_inputs(t.layer);
      weight.by_outputs = network.bf16->by_outputs(t.layer);
      if (network.bf16_target != nullptr)
        weight.target_by_inputs = network.bf16_target->by_inputs(t.layer);
    }
    bf16_kernels().update_weights(
        {l.out, l.in_pitch, t.column_begin, t.column_end, num_used_tiles, tile_pairs_, tile_pairs_,
         x_pairs(t.layer, 0), dz_lanes(t.layer, 0), weight},
        reinterpret_cast<Bf16Pair*>(scratch));  // of which nobody reads what another wrote
  }
  if (!t.with_bias) return;
  const WeightUpdate bias = at(l.bias, 0.0f);
  if (network.bf16 == nullptr)
    simd().update_bias({l.out, num_used_tiles, tile_size_, dz(t.layer, 0), bias});
  else
    bf16_kernels().update_bias({l.out, num_used_tiles, tile_pairs_, dz_lanes(t.layer, 0), bias});
}

}  // namespace mbrl
