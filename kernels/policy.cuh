// The policy on a few rows: its kernel, shared by acting, evaluation and the end of SAC updates.
#pragma once

#include <cstdint>

#include "cuda/rng.h"
#include "kernels/block_mlp.cuh"
#include "kernels/squashed_gaussian.h"

namespace mbrl::gpu {

constexpr int kPolicyRows = 16;

/// A few rows do not repay a narrow copy of the weights: read in fp32 whatever the precision.
///
/// A block takes 16 observations [num_rows, S] to actions [num_rows, A]. `step` is read on the
/// device, so that a recorded launch stays valid.
template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    policy_kernel(const __grid_constant__ MlpTable actor, const float* parameters, int pitch, int S,
                  int A, int num_rows, const float* observation, float* action, bool stochastic,
                  RandomKey key, const std::uint64_t* step) {
  if (lacks_format<kPrecision>()) return;
  BlockMlp<kPrecision, kPolicyRows> mlp(shared_floats(), pitch);
  const int first = static_cast<int>(blockIdx.x) * kPolicyRows;
  const int width = actor.layer[0].in_pitch;
  for (int i = static_cast<int>(threadIdx.x); i < kPolicyRows * width; i += kBlockThreads) {
    const int row = first + i / width, column = i % width;
    const bool inside = row < num_rows && column < S;
    mlp.tile()[i / width * pitch + column] =
        inside ? observation[static_cast<std::size_t>(row) * S + column] : 0.0f;
  }
  sync_block();
  mlp.forward(actor, Parameters<float>{parameters, parameters}, Activation::kRelu, nullptr, first);
  for (int i = static_cast<int>(threadIdx.x); i < kPolicyRows * A; i += kBlockThreads) {
    const int row = first + i / A, k = i % A;
    if (row >= num_rows) continue;
    const float* output = mlp.tile() + i / A * pitch;
    const float noise = stochastic ? normal(key, *step, static_cast<std::uint32_t>(row), k) : 0.0f;
    action[static_cast<std::size_t>(row) * A + k] =
        squashed_gaussian_action(output[k], output[A + k], noise);
  }
}

template <Precision kPrecision>
void launch_policy(Stream& stream, const MlpTable& actor, const float* parameters, int S, int A,
                   int num_rows, const float* observation, float* action, bool stochastic,
                   const RandomKey& key, const std::uint64_t* step) {
  const int pitch = shared_pitch(widest(actor));
  const auto blocks = static_cast<unsigned>((num_rows + kPolicyRows - 1) / kPolicyRows);
  launch(stream, "policy", policy_kernel<kPrecision>,
         {{blocks, 1, 1}, kBlockThreads, 2 * kPolicyRows * pitch * sizeof(float)}, actor,
         parameters, pitch, S, A, num_rows, observation, action, stochastic, key, step);
}

}  // namespace mbrl::gpu
