// Ranks and prefix sums of integers within a block: what stable counting sorts are made of.
#pragma once

#include <bit>

#include "cuda/kernel.cuh"

namespace mbrl::gpu {

/// How many threads before this one the predicate holds for, and how many in all.
struct Rank {
  int before, total;
};

__device__ __forceinline__ Rank rank_in_warp(bool predicate) {
  const unsigned votes = ballot(predicate);
  const unsigned below = votes & ((1u << (threadIdx.x % 32)) - 1u);
  return {std::popcount(below), std::popcount(votes)};
}

/// `warp_counts`: an int per warp in shared memory. All threads of the block call it.
__device__ inline Rank rank_in_block(bool predicate, int* warp_counts) {
  const Rank in_warp = rank_in_warp(predicate);
  sync_block();
  if (threadIdx.x % 32 == 0) warp_counts[threadIdx.x / 32] = in_warp.total;
  sync_block();
  Rank rank{in_warp.before, 0};
  for (int warp = 0; warp < static_cast<int>(blockDim.x) / 32; ++warp) {
    if (warp < static_cast<int>(threadIdx.x) / 32) rank.before += warp_counts[warp];
    rank.total += warp_counts[warp];
  }
  return rank;
}

/// Replaces counts[0 .. n) by the sums before each, in one block, and returns their total to all
/// threads. `scratch`: an int per thread in shared memory.
__device__ inline int exclusive_sums(int* counts, int n, int* scratch) {
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int per_thread = (n + threads - 1) / threads;
  const int begin = thread * per_thread;
  int sum = 0;
  for (int i = begin; i < begin + per_thread && i < n; ++i) sum += counts[i];
  scratch[thread] = sum;
  sync_block();
  // Hillis and Steele's scan over the threads
  for (int offset = 1; offset < threads; offset *= 2) {
    const int other = thread >= offset ? scratch[thread - offset] : 0;
    sync_block();
    scratch[thread] += other;
    sync_block();
  }
  int before = scratch[thread] - sum;
  for (int i = begin; i < begin + per_thread && i < n; ++i) {
    const int count = counts[i];
    counts[i] = before;
    before += count;
  }
  const int total = scratch[threads - 1];
  sync_block();
  return total;
}

}  // namespace mbrl::gpu
