// A fully connected layer on whole batches.
#pragma once

#include "cuda/buffer.h"
#include "cuda/stream.h"

namespace mbrl {

/// y = x W^T + b.
///
/// Shapes   x: [B, in], weight: [out, in], bias: [out], y: [B, out]. y overlaps no input.
/// Errors   ShapeError naming the first array that does not fit y and x.
/// Cost     2 B in out operations in one GEMM per 64 rows, shared by the pool. Deterministic for
/// any
///          number of threads. The fused stages use the tiles of simd.h instead.
void dense_forward(Stream& stream, Matrix<float> y, Matrix<const float> x,
                   Matrix<const float> weight, Vector<const float> bias);

/// Gradients of a loss; they overlap no input.
struct DenseGradients {
  Matrix<float> d_x;  // not computed where its data is null: the first layer of a network
  Matrix<float> d_weight;
  Vector<float> d_bias;
};

/// d_x = d_y W, d_weight = d_y^T x, d_bias = sum over rows of d_y. Overwrites, does not add.
///
/// Shapes   those of the forward pass; d_y: [B, out].
/// Errors   ShapeError naming the first array that does not fit x and weight.
/// Cost     4 B in out operations. Deterministic for any number of threads: the sums over the batch
/// are
///          one task.
void dense_backward(Stream& stream, const DenseGradients& gradients, Matrix<const float> x,
                    Matrix<const float> weight, Matrix<const float> d_y);

namespace gpu {
MBRL_GPU_ONLY void dense_forward(Stream& stream, Matrix<float> y, Matrix<const float> x,
                                 Matrix<const float> weight, Vector<const float> bias);
MBRL_GPU_ONLY void dense_backward(Stream& stream, const DenseGradients& gradients,
                                  Matrix<const float> x, Matrix<const float> weight,
                                  Matrix<const float> d_y);
}  // namespace gpu

}  // namespace mbrl
