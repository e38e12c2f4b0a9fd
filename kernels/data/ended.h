// Which records end their episode.
#pragma once

#include <cstdint>

#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/data/transition.h"

namespace mbrl {

/// ended[i] = 1 if record indices[i] of `data` ends its episode, else 0.
///
/// Shapes   indices, ended: [N], in the stream's memory, as data.
/// Errors   ShapeError if their lengths differ.
void gather_ended(Stream& stream, const TransitionsView& data, Vector<const std::uint32_t> indices,
                  Vector<float> ended);

namespace gpu {
MBRL_GPU_ONLY void gather_ended(Stream& stream, const TransitionsView& data,
                                Vector<const std::uint32_t> indices, Vector<float> ended);
}  // namespace gpu

}  // namespace mbrl
