// Splitting of elementwise work over the pool.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cuda/stream.h"

namespace mbrl {

/// Calls body(begin, end) on consecutive ranges that cover [0, count). Ranges are cut by `count`
/// alone, so a result never depends on the number of threads. Less than one range runs in the
/// calling thread.
template <typename Body>
void parallel_ranges(Stream& stream, std::size_t count, std::size_t range, Body body) {
  if (count <= range) {
    if (count > 0) body(std::size_t{0}, count);
    return;
  }
  const std::size_t num_ranges = (count + range - 1) / range;
  stream.pool().parallel_for(static_cast<int>(num_ranges), [&](int i) {
    const std::size_t begin = static_cast<std::size_t>(i) * range;
    body(begin, std::min(begin + range, count));
  });
}

/// Elements per range where each one costs a few memory accesses: 64 KiB of each f32 array.
constexpr std::size_t kElementsPerRange = 16384;

}  // namespace mbrl
