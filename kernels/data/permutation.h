// Random orders and random picks that are the same on every device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kBootstrap{11};  // rows with replacement
inline constexpr Purpose kShuffle{12};    // the order of rows
}  // namespace purpose

/// Memory of a sort; grows to the largest size it has seen.
class PermutationScratch {
 public:
  void reserve(Stream& stream, std::size_t size);

  Vector<std::uint64_t> keys(std::size_t size) { return {keys_.data(), size}; }
  Vector<std::uint64_t> sorted(std::size_t size) { return {other_.data(), size}; }
  Vector<std::uint32_t> order(std::size_t size) { return {order_.data(), size}; }
  Buffer<std::byte>& sort() { return sort_; }

 private:
  Buffer<std::uint64_t> keys_, other_;
  Buffer<std::uint32_t> order_;
  Buffer<std::byte> sort_;  // of the library's sort on a GPU
};

/// A uniform random permutation of [0, n): the indices in the order of their 32-bit Philox keys at
/// (step, index, lane); equal keys keep index order, which favors no order measurably below 2^20.
///
/// Cost     a radix sort in four passes. Runs in the calling thread, so pool tasks may call it.
void random_permutation(Stream& stream, Vector<std::uint32_t> out, const RandomKey& key,
                        std::uint64_t step, std::uint32_t lane, PermutationScratch& scratch);

/// out[i] = in[permutation[i]]. `out` and `in` do not overlap.
///
/// Errors   ShapeError if the lengths differ.
void shuffle_into(Stream& stream, Vector<std::uint32_t> out, Vector<const std::uint32_t> in,
                  const RandomKey& key, std::uint64_t step, std::uint32_t lane,
                  PermutationScratch& scratch);

/// out[i] uniform in [0, n), with replacement. Runs in the calling thread.
///
/// Errors   ShapeError if there is nothing to draw from.
void draw_indices(Stream& stream, Vector<std::uint32_t> out, std::uint32_t n, const RandomKey& key,
                  std::uint64_t step, std::uint32_t lane);

/// Row e of `out` is row e of `in`, shuffled as by shuffle_into with lane e.
///
/// Shapes   out, in: [E, N] in the stream's memory, not overlapping; E below 256, N below 2^24.
/// Errors   ShapeError if the shapes differ.
/// Cost     one sort of E N keys, shared by the pool. scratch: one entry per row, grown as needed.
void shuffle_rows(Stream& stream, Matrix<std::uint32_t> out, Matrix<const std::uint32_t> in,
                  const RandomKey& key, std::uint64_t step,
                  std::vector<PermutationScratch>& scratch);

/// Row e of `out` draws from `from` with replacement, by draw_indices with lane e: bootstrap
/// samples.
///
/// Shapes   out: [E, N], from: [M], in the stream's memory.
/// Errors   ShapeError if there is nothing to draw from.
void draw_rows(Stream& stream, Matrix<std::uint32_t> out, Vector<const std::uint32_t> from,
               const RandomKey& key, std::uint64_t step);

namespace gpu {
MBRL_GPU_ONLY void random_permutation(Stream& stream, Vector<std::uint32_t> out,
                                      const RandomKey& key, std::uint64_t step, std::uint32_t lane,
                                      PermutationScratch& scratch);
MBRL_GPU_ONLY void shuffle_rows(Stream& stream, Matrix<std::uint32_t> out,
                                Matrix<const std::uint32_t> in, const RandomKey& key,
                                std::uint64_t step, PermutationScratch& scratch);
MBRL_GPU_ONLY void draw_rows(Stream& stream, Matrix<std::uint32_t> out,
                             Vector<const std::uint32_t> from, const RandomKey& key,
                             std::uint64_t step);
}  // namespace gpu

}  // namespace mbrl
