// Sums over the lanes of a warp and the threads of a block. Every sum is a fixed tree: lanes first,
// then warps in order, so that a result repeats bit by bit.
#pragma once

#include "cuda/kernel.cuh"
#include "kernels/gpu/device_mlp.h"

namespace mbrl::gpu {

/// Sum over each group of kLanes neighboring lanes (a power of two), in all of its lanes.
template <int kLanes = 32, typename T>
__device__ __forceinline__ T warp_sum(T value) {
  for (int mask = kLanes / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

/// kValues sums, each over the kValues lanes whose numbers differ in the bits kUnit, 2 kUnit, ...,
/// kValues kUnit / 2: the lane with the digit i in these bits gets the sum of value[i], which is
/// overwritten. Costs kValues - 1 exchanges, where a sum by itself takes log2(kValues).
template <int kValues, int kUnit>
__device__ __forceinline__ float scatter_sum(float (&value)[kValues]) {
#pragma unroll
  for (int half = kValues / 2; half > 0; half /= 2) {
    const bool upper = (threadIdx.x & static_cast<unsigned>(half * kUnit)) != 0;
#pragma unroll
    for (int i = 0; i < half; ++i) {
      const float keep = upper ? value[i + half] : value[i];
      const float give = upper ? value[i] : value[i + half];
      value[i] = keep + shuffle_xor(give, half * kUnit);
    }
  }
  return value[0];
}

/// Sum over the kBlockThreads threads of a block, in all of them. `scratch`: a T per warp in shared
/// memory; what the threads read from it before is safe.
template <typename T>
__device__ __forceinline__ T block_sum(T value, T* scratch) {
  value = warp_sum(value);
  sync_block();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  sync_block();
  T sum = 0;
  for (int warp = 0; warp < kBlockThreads / 32; ++warp) sum += scratch[warp];
  return sum;
}

}  // namespace mbrl::gpu
