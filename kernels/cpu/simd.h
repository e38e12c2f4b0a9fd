// CPU kernels of the fused stages: dense layers on tiles of 32 rows, forward, backward and update.
//
// A tile is feature-major, [features, 32]: rows of the batch are the vector lanes. So weights are
// read as broadcast scalars straight from the arena (no packing, forward and transposed alike),
// per-row formulas vectorise over rows, and narrow outputs waste nothing. Compiled once per
// instruction set; the best one the CPU has is picked at start (cuda/cpu_isa.h).
//
// Own kernels rather than oneDNN here because layers, activations, gradients and Adam share tiles
// that stay in cache; `mbrl_gpu bench` prints both beside the measured peak.
#pragma once

#include <cstddef>

#include "base/bf16.h"
#include "kernels/formulas/activation.h"
#include "kernels/formulas/adam.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {

/// y = activation(W x + b) on one tile, or on half of one: on kTileRows or kTileRows / 2 lanes from
/// those that x, y and derivative point at. T is what the product reads: floats, or bf16 in pairs of
/// consecutive inputs. In bf16 a tile is whole, and y goes to one of two places.
template <typename T>
struct BasicDenseTile {
  const T* weight;    // [out, pitch]
  const float* bias;  // [out]
  int in, out, pitch;
  const T* x;         // [in, 32]; in pairs [in / 2 rounded up, 32]
  float* y;           // [out, 32]
  float* derivative;  // [out, 32] swish' for the backward pass, or null; relu needs none
  Activation activation;
  int lanes = kTileRows;
  T* y_pairs = nullptr;  // bf16: instead of y, what the next layer reads [out / 2 rounded up, 32]
};
using DenseTile = BasicDenseTile<float>;

/// dx = (W^T dy) * activation'(x) on one tile, or on half of one as above. With bf16, in pairs of
/// consecutive outputs, and dx is left in pairs, too, where it has a place for them.
template <typename T>
struct BasicDenseBackwardTile {
  const T* weight;  // [out, pitch]; in pairs [out / 2 rounded up, pitch]
  int in, out, pitch;
  const T* dy;  // [out, 32]; in pairs [out / 2 rounded up, 32]
  float* dx;    // [in, 32]; may be the gate's memory; null where only pairs are wanted
  // derivative of the activation that produced x: relu and tanh read x itself, swish the saved
  // derivative; unused for kNone
  const float* gate;  // [in, 32]
  Activation activation;
  int lanes = kTileRows;
  const T* x_pairs = nullptr;  // bf16: x for relu and tanh, instead of the gate
  T* dx_pairs = nullptr;       // bf16: what the next backward pass reads [in / 2 rounded up, 32]
  T* dx_lanes = nullptr;  // bf16: what the gradient of the weights reads, pairs of lanes [in, 16]
};
using DenseBackwardTile = BasicDenseBackwardTile<float>;

/// What the optimizer does with a finished gradient.
struct WeightUpdate {
  float* weight;  // [out, pitch] parameters, with the two moments beside them
  float* m;
  float* v;
  float* target;  // averaged copy, or null
  float tau;
  float decay;  // added to the gradient: decay * W
  AdamStep adam;
  float* gradient = nullptr;  // where set, it receives the gradient, and nothing else happens
  // the layer's bf16 copies (bf16_weights.h), which follow it; those of the target where it has any
  Bf16Pair* by_inputs = nullptr;
  Bf16Pair* by_outputs = nullptr;
  Bf16Pair* target_by_inputs = nullptr;
};

/// One block of columns of a weight matrix: dW = dy x^T over all tiles, then the update in place.
/// The block owns the whole sum over the batch, so the order of additions is fixed. With bf16, in
/// pairs of consecutive rows of the batch.
template <typename T>
struct BasicWeightGradientBlock {
  int out, pitch;
  int column_begin, column_end;  // multiples of 16 within the pitch
  int num_tiles;
  std::size_t x_stride, dy_stride;  // from one tile to the next, in elements
  const T* x;                       // [tile][in_pitch, 32]; in pairs of features [in_pitch / 2, 32]
  const T* dy;                      // [tile][out, 32]; in pairs [tile][out, 16]
  WeightUpdate update;
};
using WeightGradientBlock = BasicWeightGradientBlock<float>;

/// db = sum over rows of dy, then the update in place (no decay).
template <typename T>
struct BasicBiasGradient {
  int out;
  int num_tiles;
  std::size_t tile_stride;  // in elements
  const T* dy;              // [tile][out, 32]; in pairs [tile][out, 16]
  WeightUpdate update;
};
using BiasGradient = BasicBiasGradient<float>;

/// The products of one format, and what a core can do in it.
template <typename T>
struct ProductKernels {
  const char* name;
  void (*dense)(const BasicDenseTile<T>&);
  void (*dense_backward)(const BasicDenseBackwardTile<T>&);
  // scratch: [num_tiles * 32, 32], in pairs [num_tiles * 16, 32]
  void (*update_weights)(const BasicWeightGradientBlock<T>&, T* scratch);
  void (*update_bias)(const BasicBiasGradient<T>&);
  // multiply-adds on registers alone: lanes * kPeakChains * rounds of them, two operations each, in
  // pairs four; returns what keeps them from being left out
  float (*multiply_add)(int rounds);
  int lanes;  // of a vector
};

using SimdKernels = ProductKernels<float>;

/// Operands of all products rounded to bf16, sums in fp32: a pair's products are added one after
/// the other, that of the second numbers first, with denormals as zero (VDPBF16PS, in threads of a
/// pool).
///
/// Rounding is to nearest even. A denormal may become zero, as which a product takes it anyway, or, just
/// below the least normal number, that.
struct Bf16Kernels : ProductKernels<Bf16Pair> {
  // pairs of features (an odd one with 0) [features / 2 rounded up, 32] from x [features, 32]
  void (*pair_features)(const float* x, int features, Bf16Pair* pairs);
  // pairs of lanes [features, 16] from x [features, 32]
  void (*pair_lanes)(const float* x, int features, Bf16Pair* pairs);
};

/// Independent chains of ProductKernels::multiply_add: more than twice what two units with a
/// latency of four need.
inline constexpr int kPeakChains = 12;

/// Kernels for the instruction set that cpu_isa() chose.
///
/// Errors   those of cpu_isa.
const SimdKernels& simd();
/// AVX512-BF16 where this CPU has it and MBRL_ISA does not ask for the portable form; else that.
/// Whether a run may use it is decided by select_precision.
const Bf16Kernels& bf16_kernels();

/// The baseline, for tests.
const SimdKernels& simd_avx2();
/// Call only if the CPU has AVX-512.
const SimdKernels& simd_avx512();
/// By fused multiply-adds of the baseline, the same sums to the bit.
const Bf16Kernels& bf16_portable();
/// Call only if the CPU has AVX512-BF16.
const Bf16Kernels& bf16_avx512();

}  // namespace mbrl
