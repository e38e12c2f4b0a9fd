// What the kernels of the ensemble's training share: the arrays of the stage, the plan of an epoch,
// the loss of a tile and the step of the bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

#include "cuda/kernel.cuh"
#include "kernels/formulas/gaussian_nll.h"
#include "kernels/gpu/device_mlp.h"
#include "kernels/stages/ensemble/ensemble_step.h"

namespace mbrl::gpu {

constexpr int kModelRows = 16;      // rows of a tile
constexpr int kStepsPerGraph = 16;  // steps past the end of the epoch do nothing

/// What an epoch decides. Behind it lie the Adam constants of each of its steps.
struct alignas(16) EpochPlan {
  TransitionsView data;
  const std::uint32_t* rows;  // [E, num_rows]
  int num_rows, batch_size, num_steps;
  int first_step;  // of the running graph; advanced on the device
};

/// What the kernels read.
struct EnsembleArrays {
  MlpTable mlp;
  float *value, *m, *v;   // [E, size]
  std::uint16_t* narrow;  // [E, size]: 16-bit copy of value, where the precision has one
  SavedLayout saved_layout;
  float* saved;                         // [E, saved_layout.size]
  float *bounds, *bounds_m, *bounds_v;  // [2, bound_pitch]
  const float *input_mean, *input_inv_std;
  float* bound_gradient;  // [E * tiles, 2, bound_pitch]
  double* loss;           // [E * tiles]
  EpochPlan* plan;
  const AdamStep* adam;
  std::size_t size;  // floats of a member
  int E, S, A, D, bound_pitch, pitch, num_tiles;
  float logvar_penalty;

  /// What belongs to the caller: a recording holds these addresses.
  auto borrowed() const {
    return std::tuple(value, m, v, bounds, bounds_m, bounds_v, input_mean, input_inv_std);
  }
  __device__ NetworkArrays member(int e) const {
    return {value + e * size, m + e * size, v + e * size, nullptr,
            narrow == nullptr ? nullptr : narrow + e * size};
  }
  __device__ Saved saved_of(int e) const { return {saved_layout, saved + e * saved_layout.size}; }
  /// Rows of step `step`, or 0 past the end.
  __device__ int batch_rows(int step) const {
    if (step >= plan->num_steps) return 0;
    const int left = plan->num_rows - step * plan->batch_size;
    return left < plan->batch_size ? left : plan->batch_size;
  }
  /// Records of member e's rows in step `step`.
  __device__ const std::uint32_t* batch_indices(int step, int e) const {
    return plan->rows + static_cast<std::size_t>(e) * plan->num_rows +
           static_cast<std::size_t>(step) * plan->batch_size;
  }
};

/// Loss and gradients of the tile of member e that begins at row tile * kModelRows of a batch of
/// `batch`. output: [kModelRows, pitch] of the network, overwritten with its gradient, which also
/// goes to dz: [kModelRows, dz pitch]. scratch: 3 kModelRows D floats of shared memory. All threads
/// of the block call it; `record(row)` is the transition of a row of the tile.
template <typename Record>
__device__ void nll_tile(const EnsembleArrays& a, int e, int tile, int batch, float* output,
                         int pitch, float* dz, float* scratch, Record record) {
  const int left = batch - tile * kModelRows;
  const int rows = left < kModelRows ? left : kModelRows;
  float* max_part = scratch;  // [rows, D] each
  float* min_part = max_part + kModelRows * a.D;
  float* loss_part = min_part + kModelRows * a.D;
  const float scale = 1.0f / (static_cast<float>(batch) * static_cast<float>(a.D));
  for (int i = static_cast<int>(threadIdx.x); i < kModelRows * a.D; i += kBlockThreads) {
    const int row = i / a.D, k = i % a.D;
    float* mean = output + row * pitch + k;
    float* raw = mean + a.D;
    const BoundedLogvar lv =
        bound_logvar_with_gradient(*raw, a.bounds[k], a.bounds[a.bound_pitch + k]);
    const NllTerm term =
        gaussian_nll_term(*mean, lv.value, model_target(record(row), a.plan->data.layout, k));
    const float weight = row < rows ? scale : 0.0f;
    *mean = weight * term.d_mean;
    *raw = weight * term.d_logvar * lv.d_raw;
    max_part[i] = weight * term.d_logvar * lv.d_max;
    min_part[i] = weight * term.d_logvar * lv.d_min;
    loss_part[i] = row < rows ? term.loss : 0.0f;
  }
  sync_block();

  const int width = a.saved_layout.dz_pitch[a.mlp.num_layers - 1];
  for (int i = static_cast<int>(threadIdx.x); i < kModelRows * width; i += kBlockThreads)
    dz[i] = output[i / width * pitch + i % width];

  // sums over the tile's rows, in order
  const int task = e * a.num_tiles + tile;
  for (int i = static_cast<int>(threadIdx.x); i < 2 * a.D; i += kBlockThreads) {
    const int which = i / a.D, k = i % a.D;
    const float* part = which == 0 ? max_part : min_part;
    float sum = 0.0f;
    for (int row = 0; row < kModelRows; ++row) sum += part[row * a.D + k];
    a.bound_gradient[(static_cast<std::size_t>(task) * 2 + which) * a.bound_pitch + k] = sum;
  }
  if (threadIdx.x < 32) {
    double sum = 0.0;
    for (int i = static_cast<int>(threadIdx.x); i < kModelRows * a.D; i += 32) sum += loss_part[i];
    for (int mask = 16; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
    if (threadIdx.x == 0) a.loss[task] = sum;
  }
}

// bounds are shared: all members and tiles add up, in a fixed tree; the penalty pulls them together
__device__ inline void update_bounds(const EnsembleArrays& a, const AdamStep& adam, int batch,
                                     float* loss) {
  const int tiles = (batch + kModelRows - 1) / kModelRows;
  const int thread = static_cast<int>(threadIdx.x);
  const int num_sums = 2 * a.D;
  // eight threads to a sum
  for (int first = 0; first < num_sums; first += kBlockThreads / 8) {
    const int i = first + thread / 8;
    const int which = i / a.D, k = i % a.D;
    float sum = 0.0f;
    if (i < num_sums)
      for (int j = thread % 8; j < a.E * tiles; j += 8) {
        const std::size_t task = static_cast<std::size_t>(j / tiles) * a.num_tiles + j % tiles;
        sum += a.bound_gradient[(task * 2 + which) * a.bound_pitch + k];
      }
    for (int mask = 4; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
    if (i < num_sums && thread % 8 == 0) {
      const float gradient = sum + (which == 0 ? a.logvar_penalty : -a.logvar_penalty);
      const int at = which * a.bound_pitch + k;
      adam_update(a.bounds[at], a.bounds_m[at], a.bounds_v[at], gradient, adam);
    }
  }
  if (thread < 32) {
    double sum = 0.0;
    for (int j = thread; j < a.E * tiles; j += 32)
      sum += a.loss[static_cast<std::size_t>(j / tiles) * a.num_tiles + j % tiles];
    for (int mask = 16; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
    if (thread == 0)
      *loss = static_cast<float>(sum / (static_cast<double>(batch) * static_cast<double>(a.D)));
  }
}

}  // namespace mbrl::gpu
