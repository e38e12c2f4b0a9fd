// Networks as kernels see them: tables passed by value, and the arrays that a training pass leaves.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/hd.h"
#include "base/scalar.h"
#include "cuda/stream.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl::gpu {

/// Threads of every block that runs a network.
constexpr int kBlockThreads = 256;
constexpr int kMaxLayers = 8;

/// MlpLayout without its vector.
struct MlpTable {
  int num_layers = 0;
  LayerLayout layer[kMaxLayers];
};

/// Errors   ConfigError beyond kMaxLayers layers.
MlpTable make_table(const MlpLayout& layout);

/// One network's arrays: parameters, moments, averaged copy or null; copies of both as the products
/// take them, rounded, where that is not fp32.
struct NetworkArrays {
  float* value;
  float* m;
  float* v;
  float* target;
  void* rounded = nullptr;
  void* rounded_target = nullptr;
  bool operator==(const NetworkArrays&) const = default;
};

/// Floats between rows of an activation tile in shared memory: 16 more than a multiple of 32, so
/// that the 16-byte loads of a warp fall on different banks.
MBRL_HD constexpr int shared_pitch(int width) { return (width + 15) / 32 * 32 + 16; }

/// Widest layer of a network, padded.
int widest(const MlpTable& mlp);

/// Where a forward pass keeps what a backward pass and an update need: inputs x of every layer and
/// gradients dz of every affine output, row-major [rows, padded width], as operands of products.
/// Until the backward pass dz of a hidden swish layer holds the derivative of its activation.
struct SavedLayout {
  std::size_t x_offset[kMaxLayers], dz_offset[kMaxLayers];
  int x_pitch[kMaxLayers], dz_pitch[kMaxLayers];
  std::size_t size = 0;  // operands
};

/// Bytes of an operand of a product.
constexpr std::size_t operand_bytes(Precision precision) {
  return precision == Precision::kFp16 || precision == Precision::kBf16 ? 2 : 4;
}

/// std::logic_error if a stream has another precision than `made_for`, that of a workspace's arrays.
void require_precision(const Stream& stream, Precision made_for);

/// Offsets for `rows` rows.
SavedLayout make_saved_layout(const MlpLayout& layout, int rows);

/// One network's memory with that layout.
template <typename Value>
struct Saved {
  const SavedLayout& layout;
  Value* data;

  MBRL_HD Value* x(int layer, int row) const {
    return data + layout.x_offset[layer] + static_cast<std::size_t>(row) * layout.x_pitch[layer];
  }
  MBRL_HD Value* dz(int layer, int row) const {
    return data + layout.dz_offset[layer] + static_cast<std::size_t>(row) * layout.dz_pitch[layer];
  }
};

/// A gradient on its way back through a network: in fp16, which ends at 65504 and is coarse below
/// 6e-5, 256 times as large, since a mean over a batch begins small and shrinks from layer to layer.
/// A power of two changes no sum; what would pass the end of the range stays within it.
MBRL_HD float scaled_gradient(float gradient, Precision precision) {
  if (precision != Precision::kFp16) return gradient;
  return clamp_f(256.0f * gradient, -32768.0f, 32768.0f);
}
/// What it was, of a sum of scaled gradients.
MBRL_HD float unscaled_gradient(float gradient, Precision precision) {
  return precision == Precision::kFp16 ? gradient / 256.0f : gradient;
}

}  // namespace mbrl::gpu
