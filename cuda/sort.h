// Sorting on the GPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/buffer.h"
#include "cuda/stream.h"

namespace mbrl::gpu {

/// Bytes that sort_u64 needs for `count` keys.
MBRL_GPU_ONLY std::size_t sort_scratch_bytes(std::size_t count);
/// Sorts by bits [begin_bit, 64) of the keys, stable.
MBRL_GPU_ONLY void sort_u64(Stream& stream, Vector<std::uint64_t> out,
                            Vector<const std::uint64_t> keys, int begin_bit,
                            Buffer<std::byte>& scratch);

}  // namespace mbrl::gpu
