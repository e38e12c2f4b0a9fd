// Exponential averaging of target networks.
#pragma once

#include "cuda/buffer.h"
#include "base/hd.h"
#include "base/scalar.h"
#include "cuda/stream.h"

namespace mbrl {

/// tau source + (1 - tau) target.
MBRL_HD float polyak(float target, float source, float tau) {
  return fma_f(tau, source - target, target);
}

/// target = polyak(target, source, tau), element by element.
///
/// Shapes   both [N].
/// Errors   ShapeError if the lengths differ.
/// Cost     memory bound: 2 reads and 1 write of 4 B per element, shared by the pool.
/// Deterministic.
void polyak_average(Stream& stream, Vector<float> target, Vector<const float> source, float tau);

namespace gpu {
MBRL_GPU_ONLY void polyak_average(Stream& stream, Vector<float> target, Vector<const float> source,
                                  float tau);
}  // namespace gpu

}  // namespace mbrl
