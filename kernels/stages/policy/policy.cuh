// The policy on a few rows: its kernel, shared by acting, evaluation and the end of SAC updates.
#pragma once

#include <cstdint>

#include "base/rng.h"
#include "kernels/formulas/squashed_gaussian.h"
#include "kernels/gpu/block_mlp.cuh"

namespace mbrl::gpu {

constexpr int kPolicyRows = 16;

/// A few rows do not repay a 16-bit copy of the weights: read in fp32 whatever the precision.
///
/// Outputs of the actor for the 16 observations from row `first` on, in mlp.tile().
template <Precision kPrecision>
__device__ void policy_forward(BlockMlp<kPrecision, kPolicyRows>& mlp, const MlpTable& actor,
                               const float* parameters, int S, int first, int num_rows,
                               const float* observation) {
  mlp.fill(actor.layer[0].in_pitch, S, nullptr, [&](int row, int column) {
    return first + row < num_rows ? observation[static_cast<std::size_t>(first + row) * S + column]
                                  : 0.0f;
  });
  mlp.forward(actor, Parameters<float>{parameters, parameters}, Activation::kRelu, nullptr, first);
}

/// A block takes 16 observations [num_rows, S] to actions [num_rows, A] and, where given, their
/// log-densities [num_rows], by policy_log_prob_kernel's sum. `step` is read on the device, so that
/// a recorded launch stays valid.
template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    policy_kernel(const __grid_constant__ MlpTable actor, const float* parameters, int pitch, int S,
                  int A, int num_rows, const float* observation, float* action, float* log_prob,
                  bool stochastic, RandomKey key, const std::uint64_t* step) {
  if (lacks_format<kPrecision>()) return;
  wait_for_earlier();
  BlockMlp<kPrecision, kPolicyRows> mlp(shared_floats(), pitch);
  const int first = static_cast<int>(blockIdx.x) * kPolicyRows;
  policy_forward(mlp, actor, parameters, S, first, num_rows, observation);
  for (int i = static_cast<int>(threadIdx.x); i < kPolicyRows * A; i += kBlockThreads) {
    const int row = first + i / A, k = i % A;
    if (row >= num_rows) continue;
    float* output = mlp.tile() + i / A * mlp.pitch();
    const float noise = stochastic ? normal(key, *step, static_cast<std::uint32_t>(row), k) : 0.0f;
    const float drawn = squashed_gaussian_action(output[k], output[A + k], noise);
    action[static_cast<std::size_t>(row) * A + k] = drawn;
    // the mean's place is this thread's own: its term of the density goes there
    if (log_prob != nullptr)
      output[k] = squashed_gaussian_log_prob(output[k], output[A + k], drawn);
  }
  if (log_prob == nullptr) return;
  sync_block();
  const int i = static_cast<int>(threadIdx.x);
  if (i >= kPolicyRows || first + i >= num_rows) return;
  float sum = 0.0f;
  for (int k = 0; k < A; ++k) sum += mlp.tile()[i * mlp.pitch() + k];
  log_prob[first + i] = sum;
}

/// A block takes 16 observations and actions to log-densities [num_rows].
template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    policy_log_prob_kernel(const __grid_constant__ MlpTable actor, const float* parameters,
                           int pitch, int S, int A, int num_rows, const float* observation,
                           const float* action, float* log_prob) {
  if (lacks_format<kPrecision>()) return;
  BlockMlp<kPrecision, kPolicyRows> mlp(shared_floats(), pitch);
  const int first = static_cast<int>(blockIdx.x) * kPolicyRows;
  policy_forward(mlp, actor, parameters, S, first, num_rows, observation);
  const int i = static_cast<int>(threadIdx.x);
  if (i >= kPolicyRows || first + i >= num_rows) return;
  const float* output = mlp.tile() + i * mlp.pitch();
  float sum = 0.0f;
  for (int k = 0; k < A; ++k)
    sum += squashed_gaussian_log_prob(output[k], output[A + k],
                                      action[static_cast<std::size_t>(first + i) * A + k]);
  log_prob[first + i] = sum;
}

template <Precision kPrecision>
void launch_policy_log_prob(Stream& stream, const MlpTable& actor, const float* parameters, int S,
                            int A, int num_rows, const float* observation, const float* action,
                            float* log_prob) {
  const int pitch = shared_pitch(widest(actor));
  const auto blocks = static_cast<unsigned>((num_rows + kPolicyRows - 1) / kPolicyRows);
  launch(stream, "policy_log_prob", policy_log_prob_kernel<kPrecision>,
         {{blocks, 1, 1}, kBlockThreads, 2 * kPolicyRows * pitch * sizeof(float)}, actor,
         parameters, pitch, S, A, num_rows, observation, action, log_prob);
}

/// early: it follows a kernel.
template <Precision kPrecision>
void launch_policy(Stream& stream, const MlpTable& actor, const float* parameters, int S, int A,
                   int num_rows, const float* observation, float* action, float* log_prob,
                   bool stochastic, const RandomKey& key, const std::uint64_t* step,
                   bool early = false) {
  const int pitch = shared_pitch(widest(actor));
  const auto blocks = static_cast<unsigned>((num_rows + kPolicyRows - 1) / kPolicyRows);
  launch(stream, "policy", policy_kernel<kPrecision>,
         {{blocks, 1, 1}, kBlockThreads, 2 * kPolicyRows * pitch * sizeof(float), early}, actor,
         parameters, pitch, S, A, num_rows, observation, action, log_prob, stochastic, key, step);
}

}  // namespace mbrl::gpu
