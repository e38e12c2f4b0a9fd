// CPU kernels of the fused stages: dense layers on tiles of 32 rows, forward, backward and update.
//
// A tile is feature-major, [features, 32]: rows of the batch are the vector lanes. So weights are
// read as broadcast scalars straight from the arena (no packing, forward and transposed alike),
// per-row formulas vectorise over rows, and narrow outputs waste nothing. Compiled once per
// instruction set; the best one the CPU has is picked at start.
//
// Own kernels rather than oneDNN here because layers, activations, gradients and Adam share tiles
// that stay in cache; `mbrl_gpu bench` prints both beside the measured peak.
#pragma once

#include <cstddef>

#include "kernels/formulas/activation.h"
#include "kernels/formulas/adam.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {

/// y = activation(W x + b) on one tile, or on half of one: on kTileRows or kTileRows / 2 lanes from
/// those that x, y and derivative point at.
struct DenseTile {
  const float* weight;  // [out, pitch]
  const float* bias;    // [out]
  int in, out, pitch;
  const float* x;     // [in, 32]
  float* y;           // [out, 32]
  float* derivative;  // [out, 32] swish' for the backward pass, or null; relu needs none
  Activation activation;
  int lanes = kTileRows;
};

/// dx = (W^T dy) * activation'(x) on one tile, or on half of one as above.
struct DenseBackwardTile {
  const float* weight;  // [out, pitch]
  int in, out, pitch;
  const float* dy;  // [out, 32]
  float* dx;        // [in, 32]; may be the gate's memory
  // derivative of the activation that produced x: relu reads x itself, swish the saved derivative
  const float* gate;  // [in, 32], unused for kNone
  Activation activation;
  int lanes = kTileRows;
};

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
};

/// One block of columns of a weight matrix: dW = dy x^T over all tiles, then the update in place.
/// The block owns the whole sum over the batch, so the order of additions is fixed.
struct WeightGradientBlock {
  int out, pitch;
  int column_begin, column_end;  // multiples of 16 within the pitch
  int num_tiles;
  std::size_t x_stride, dy_stride;  // floats from one tile to the next
  const float* x;                   // [tile][in_pitch, 32]
  const float* dy;                  // [tile][out, 32]
  WeightUpdate update;
};

/// db = sum over rows of dy, then the update in place (no decay).
struct BiasGradient {
  int out;
  int num_tiles;
  std::size_t tile_stride;
  const float* dy;
  WeightUpdate update;
};

struct SimdKernels {
  const char* name;
  void (*dense)(const DenseTile&);
  void (*dense_backward)(const DenseBackwardTile&);
  // scratch: [num_tiles * 32, 32] floats
  void (*update_weights)(const WeightGradientBlock&, float* scratch);
  void (*update_bias)(const BiasGradient&);
  // fused multiply-adds on registers alone: what a core can do at the most. 2 * lanes *
  // kPeakChains * rounds operations; returns what keeps them from being left out
  float (*multiply_add)(int rounds);
  int lanes;  // of a vector
};

/// Independent chains of SimdKernels::multiply_add: more than twice what two units with a latency
/// of four need.
inline constexpr int kPeakChains = 12;

/// Kernels for the best instruction set this CPU has. The environment variable MBRL_ISA asks for
/// another, avx2 or avx512, to compare the two.
///
/// Errors   ConfigError if it asks for what is not known or not there.
const SimdKernels& simd();

/// The baseline, for tests.
const SimdKernels& simd_avx2();
/// Null where the program was built without it; call only if the CPU has AVX-512.
const SimdKernels* simd_avx512();

}  // namespace mbrl
