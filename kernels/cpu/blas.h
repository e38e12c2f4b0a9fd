// Matrix products on the host, by oneDNN.
#pragma once

#include "cuda/buffer.h"

namespace mbrl {

/// c = alpha op(a) op(b) + beta c, where op transposes its argument or not. Compute type f32.
///
/// Shapes   op(a): [m, k], op(b): [k, n], c: [m, n]; c overlaps neither. Any size may be zero: an
///          empty sum leaves beta c.
/// Errors   ShapeError naming the three shapes; DeviceError if the library refuses.
/// Cost     2 m n k operations in the calling thread, so pool tasks may call it. With beta = 0 the
///          old c is not read, so it may hold anything. Deterministic for one CPU type.
void gemm(Matrix<float> c, Matrix<const float> a, bool transpose_a, Matrix<const float> b,
          bool transpose_b, float alpha = 1.0f, float beta = 0.0f);

}  // namespace mbrl
