// A multilayer perceptron on tiles of 32 rows: the workspace and the passes the CPU stages share.
//
// For each tile it holds the input of every layer and, when training, what the backward pass needs.
// Tiles are independent in forward and backward; an update task owns a block of columns of one
// weight matrix over all tiles. So a stage is: parallel_for tiles, parallel_for update tasks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/buffer.h"
#include "kernels/cpu/bf16_weights.h"
#include "kernels/cpu/simd.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {

/// A network's parameters as the passes read them: in fp32, or with products in bf16 where their
/// copies are given.
struct NetworkWeights {
  NetworkWeights(const float* parameters, const Bf16Weights* copies = nullptr)
      : value(parameters), bf16(copies) {}
  const float* value;
  const Bf16Weights* bf16;
};

/// The optimizer's view of one network inside its arena.
struct NetworkUpdate {
  float* value;
  float* m;
  float* v;
  float* target = nullptr;  // averaged copy, or null
  float tau = 0.0f;
  const float* layer_decay = nullptr;  // one per layer, or null for none
  AdamStep adam;
  float* gradient = nullptr;  // where set, update() leaves the gradient here and does nothing else
  // where set, the gradient is a product in bf16, and these copies follow value and target
  Bf16Weights* bf16 = nullptr;
  Bf16Weights* bf16_target = nullptr;
};

/// Lanes of a tile that a pass works on: all, or the first or second half of them.
struct Lanes {
  int first = 0, count = kTileRows;
};

class TileMlp {
 public:
  /// `num_tiles` workspaces. Inference needs one per thread, training one per tile of the batch.
  /// input_of: a network with as many inputs and tiles whose input this one reads instead of its
  /// own, as twin critics do; it must live as long. bf16: passes multiply in it and are on whole
  /// tiles; hidden units exist in pairs alone, as the products read them.
  TileMlp(const MlpLayout& layout, Activation hidden, int num_tiles, bool training,
          TileMlp* input_of = nullptr, bool bf16 = false);

  const MlpLayout& layout() const { return layout_; }

  /// Input of `layer` on `tile`, [padded(in), 32]; layer == num_layers is the output, and a bf16 one
  /// has no others. Write x(0, tile) before forward(); its padding rows are zero and must stay so.
  float* x(int layer, int tile) {
    return layer == 0 ? input_ + tile * input_stride_ : tile_data(tile) + x_offset_[layer];
  }
  float* output(int tile) { return x(layout_.num_layers(), tile); }

  /// Gradient of the loss with respect to the affine output of `layer`, [out, 32]. Write that of
  /// the last layer before backward(). Until then that of a hidden swish layer holds the derivative
  /// of its activation, which the gradient replaces: a tile's pass stays in a core's own cache. In
  /// bf16 gradients of hidden layers are pairs, and what is here of theirs is the derivative at most.
  float* dz(int layer, int tile) { return tile_data(tile) + dz_offset_[layer]; }
  float* output_gradient(int tile) { return dz(layout_.num_layers() - 1, tile); }

  /// A lane's result does not depend on which other lanes are worked on.
  void forward(const NetworkWeights& weights, int tile, Lanes lanes = {});

  /// The same bits for tiles [first, first + count) of a network that is not trained, layer by layer:
  /// weights that outgrow the caches come from afar once for all of them.
  void forward_tiles(const NetworkWeights& weights, int first, int count);

  /// Fills dz of all layers from that of the last.
  void backward(const NetworkWeights& weights, int tile, Lanes lanes = {});

  /// Gradient with respect to `count` of the network's inputs from `first` on, [count, 32], from dz
  /// of the first layer.
  void input_gradient(const NetworkWeights& weights, int tile, int first, int count, float* dx);

  /// Makes the hidden units of lane i on `tile` those of row rows[i] of `from`, for i < kTileRows:
  /// row r is lane r % 32 of tile r / 32. A backward pass may follow where the units themselves give
  /// the derivative of their activation: all but swish.
  void take_hidden_units(TileMlp& from, const std::uint32_t* rows, int tile);

  /// Tasks that together update all parameters once; independent of each other. `num_used_tiles` of
  /// the batch hold rows; scratch: update_scratch_size() floats for each concurrent task.
  int num_update_tasks() const { return static_cast<int>(update_tasks_.size()); }
  void update(int task, int num_used_tiles, const NetworkUpdate& network, float* scratch);
  std::size_t update_scratch_size() const {
    return static_cast<std::size_t>(num_tiles_) * kTileRows * kTileRows;
  }

 private:
  struct UpdateTask {
    int layer, column_begin, column_end;
    bool with_bias;
  };

  float* tile_data(int tile) { return data_.data() + tile * tile_size_; }
  Bf16Pair* tile_pairs(int tile) { return pairs_.data() + tile * tile_pairs_; }
  /// Input of a layer in pairs of features, [padded(in) / 2, 32].
  Bf16Pair* x_pairs(int layer, int tile) { return tile_pairs(tile) + x_pairs_offset_[layer]; }
  /// dz of a layer in pairs of features, [out / 2 rounded up, 32], between two backward passes.
  Bf16Pair* dz_pairs(int layer, int tile) { return tile_pairs(tile) + dz_pairs_offset_[layer % 2]; }
  /// dz of a layer in pairs of lanes, [out, 16], which the backward pass leaves for the update.
  Bf16Pair* dz_lanes(int layer, int tile) { return tile_pairs(tile) + dz_lanes_offset_[layer]; }
  void forward_bf16(const NetworkWeights& weights, int tile);
  void backward_bf16(const NetworkWeights& weights, int tile);
  /// Outputs [begin, begin + count) of a layer.
  void dense_bf16(const NetworkWeights& weights, int layer, int begin, int count, int tile);
  bool saves_derivative(int layer) const {
    return training_ && activation(layer) == Activation::kSwish;
  }
  Activation activation(int layer) const {
    return layer + 1 == layout_.num_layers() ? Activation::kNone : hidden_;
  }

  MlpLayout layout_;
  Activation hidden_;
  int num_tiles_;
  bool training_;
  // one block per tile, so that a tile's pass stays in cache, all tiles in one allocation
  std::size_t tile_size_ = 0;
  std::vector<std::size_t> x_offset_, dz_offset_;
  Buffer<float> data_;
  std::size_t tile_pairs_ = 0;
  std::vector<std::size_t> x_pairs_offset_, dz_lanes_offset_;
  std::size_t dz_pairs_offset_[2] = {};  // layers take them in turns
  Buffer<Bf16Pair> pairs_;
  float* input_;  // of tile 0, in data_ or in another network's
  std::size_t input_stride_;
  std::vector<UpdateTask> update_tasks_;
};

}  // namespace mbrl
