// What the kernels of the ensemble's training share: the arrays of the stage, the plan of an epoch,
// the loss of a tile and the step of what all members share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

#include "cuda/kernel.cuh"
#include "kernels/formulas/gaussian_nll.h"
#include "kernels/gpu/parameter_step.cuh"
#include "kernels/gpu/reduce.cuh"
#include "kernels/stages/ensemble/ensemble_step.h"

namespace mbrl::gpu {

constexpr int kModelRows = 16;      // rows of a tile
constexpr int kStepsPerGraph = 16;  // steps past the end of the epoch do nothing
constexpr int kMaxShared = 2;       // learned parameters per target that a loss may have

/// What an epoch decides. After it lie the Adam constants of each of its steps.
struct alignas(16) EpochPlan {
  TransitionsView data;
  const std::uint32_t* rows;  // [E, num_rows]
  EndWeights end_weights;
  int num_rows, batch_size, num_steps;
  int first_step;  // of the running graph; advanced on the device
};

/// What the kernels read.
struct EnsembleArrays {
  MlpTable mlp;
  float *value, *m, *v;  // [E, size]
  void* rounded;         // [E, size]: value as operands of the precision; null in fp32
  SavedLayout saved_layout;
  void* saved;                          // [E, saved_layout.size], operands too
  float *shared, *shared_m, *shared_v;  // [num_shared, shared_pitch]
  const float *input_mean, *input_inv_std;
  float* shared_gradient;  // [E * tiles, num_shared, shared_pitch]
  double* loss;            // [E * tiles]
  EpochPlan* plan;
  const AdamStep* adam;
  std::size_t size;  // floats of a member
  ModelMaps maps;
  int E, D, num_regressed, num_inputs, num_shared, shared_pitch, pitch, num_tiles;
  float shared_penalty[kMaxShared];  // gradient of each kind apart from the rows'

  /// What belongs to the caller: a recording holds these addresses.
  auto borrowed() const {
    return std::tuple(value, m, v, shared, shared_m, shared_v, input_mean, input_inv_std);
  }
  template <Precision kPrecision>
  __device__ NetworkArrays member(int e) const {
    return {value + e * size, m + e * size, v + e * size, nullptr,
            operand_at<kPrecision>(rounded, e * size)};
  }
  template <Precision kPrecision>
  __device__ Saved<OperandOf<kPrecision>> saved_of(int e) const {
    return saved_at<kPrecision>(saved_layout, operand_at<kPrecision>(saved, e * saved_layout.size));
  }
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

/// Input `column` of a record, scaled.
__device__ inline float model_input(const EnsembleArrays& a, const float* record,
                                    const TransitionLayout& layout, int column) {
  return normalize(a.maps.input_of(record, layout, column), a.input_mean[column],
                   a.input_inv_std[column]);
}

/// Floats of shared memory that loss_tile needs.
constexpr std::size_t loss_scratch(int num_shared, int num_targets) {
  return static_cast<std::size_t>((1 + num_shared) * kModelRows * num_targets);
}

/// Loss and gradients of the tile of member e that begins at row tile * kModelRows of a batch of
/// `batch`. output: [kModelRows, pitch] of the network, overwritten with its gradient, scaled for
/// `precision`. scratch: loss_scratch() floats of shared memory. All threads of the block call it;
/// `record(row)` is the transition of a row of the tile. The gradient is complete (barrier) when this
/// returns, the rest is not.
template <typename Loss, typename Record>
__device__ void loss_tile(const EnsembleArrays& a, int e, int tile, int batch, float* output,
                          int pitch, float* scratch, Precision precision, Record record) {
  constexpr int kShared = Loss::kShared > 0 ? Loss::kShared : 1;  // no array is empty
  static_assert(kShared <= kMaxShared);
  const int left = batch - tile * kModelRows;
  const int rows = left < kModelRows ? left : kModelRows;
  float* loss_part = scratch;                         // [rows, D]
  float* shared_part = loss_part + kModelRows * a.D;  // [shared, rows, D]
  const float scale = 1.0f / (static_cast<float>(batch) * static_cast<float>(a.D));
  for (int i = static_cast<int>(threadIdx.x); i < kModelRows * a.D; i += kBlockThreads) {
    const int row = i / a.D, k = i % a.D;
    float* at = output + row * pitch + k;
    float outputs[Loss::kOutputs], shared[kShared] = {};
#pragma unroll
    for (int j = 0; j < Loss::kOutputs; ++j) outputs[j] = at[j * a.D];
#pragma unroll
    for (int which = 0; which < Loss::kShared; ++which)
      shared[which] = a.shared[which * a.shared_pitch + k];
    const float target = a.maps.target(record(row), a.plan->data.layout, k);
    const float weight = row < rows ? scale : 0.0f;
    const auto term = k < a.num_regressed
                          ? Loss::row(outputs, shared, target, weight)
                          : end_row<Loss>(outputs[0], target, weight, a.plan->end_weights);
#pragma unroll
    for (int j = 0; j < Loss::kOutputs; ++j)
      at[j * a.D] = scaled_gradient(term.d_output[j], precision);
#pragma unroll
    for (int which = 0; which < Loss::kShared; ++which)
      shared_part[which * kModelRows * a.D + i] = term.d_shared[which];
    loss_part[i] = row < rows ? term.loss : 0.0f;
  }
  sync_block();

  // sums over the tile's rows, in order
  const int task = e * a.num_tiles + tile;
  for (int i = static_cast<int>(threadIdx.x); i < Loss::kShared * a.D; i += kBlockThreads) {
    const int which = i / a.D, k = i % a.D;
    const float* part = shared_part + which * kModelRows * a.D;
    float sum = 0.0f;
    for (int row = 0; row < kModelRows; ++row) sum += part[row * a.D + k];
    a.shared_gradient[(static_cast<std::size_t>(task) * Loss::kShared + which) * a.shared_pitch +
                      k] = sum;
  }
  if (threadIdx.x < 32) {
    double sum = 0.0;
    for (int i = static_cast<int>(threadIdx.x); i < kModelRows * a.D; i += 32) sum += loss_part[i];
    sum = warp_sum(sum);
    if (threadIdx.x == 0) a.loss[task] = sum;
  }
}

/// The step of what all members share, whose gradients all members and tiles add up in a fixed
/// tree, and the loss of the batch.
__device__ inline void update_shared(const EnsembleArrays& a, const AdamStep& adam, int batch,
                                     float* loss) {
  const int tiles = (batch + kModelRows - 1) / kModelRows;
  const int thread = static_cast<int>(threadIdx.x);
  const int num_sums = a.num_shared * a.D;
  // eight threads to a sum
  for (int first = 0; first < num_sums; first += kBlockThreads / 8) {
    const int i = first + thread / 8;
    const int which = i / a.D, k = i % a.D;
    float sum = 0.0f;
    if (i < num_sums)
      for (int j = thread % 8; j < a.E * tiles; j += 8) {
        const std::size_t task = static_cast<std::size_t>(j / tiles) * a.num_tiles + j % tiles;
        sum += a.shared_gradient[(task * a.num_shared + which) * a.shared_pitch + k];
      }
    sum = warp_sum<8>(sum);
    if (i < num_sums && k < a.num_regressed && thread % 8 == 0) {
      const float gradient = sum + a.shared_penalty[which];
      const int at = which * a.shared_pitch + k;
      adam_update(a.shared[at], a.shared_m[at], a.shared_v[at], gradient, adam);
    }
  }
  if (thread < 32) {
    double sum = 0.0;
    for (int j = thread; j < a.E * tiles; j += 32)
      sum += a.loss[static_cast<std::size_t>(j / tiles) * a.num_tiles + j % tiles];
    sum = warp_sum(sum);
    if (thread == 0)
      *loss = static_cast<float>(sum / (static_cast<double>(batch) * static_cast<double>(a.D)));
  }
}

}  // namespace mbrl::gpu
