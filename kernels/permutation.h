// Random orders and random picks that are the same on every device.
#pragma once

#include <cstdint>

#include "cuda/buffer.h"
#include "cuda/rng.h"
#include "cuda/stream.h"

namespace mbrl {

/// Memory of a sort; grows to the largest size it has seen.
class PermutationScratch {
 public:
  void reserve(std::size_t size);

 private:
  friend void random_permutation(Stream&, Vector<std::uint32_t>, const RandomKey&, std::uint64_t,
                                 std::uint32_t, PermutationScratch&);
  friend void shuffle_into(Stream&, Vector<std::uint32_t>, Vector<const std::uint32_t>,
                           const RandomKey&, std::uint64_t, std::uint32_t, PermutationScratch&);
  Buffer<std::uint64_t> keys_, other_;
  Buffer<std::uint32_t> order_;
};

/// A uniform random permutation of [0, n): the indices in the order of their 32-bit Philox keys at
/// (step, index, lane); equal keys keep index order, which favours no order measurably below 2^20.
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

}  // namespace mbrl
