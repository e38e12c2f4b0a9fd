#include "kernels/cpu/blas.h"
#include "kernels/formulas/dense.h"
#include "kernels/gpu/linear.cuh"

namespace mbrl::gpu {
namespace {

struct FillRows {
  Matrix<float> y;
  const float* row;
  __device__ void operator()(std::size_t i) const {
    y[i] = row[i % static_cast<std::size_t>(y.size(1))];
  }
};

// one thread per column, rows in order
struct SumColumns {
  float* sum;
  Matrix<const float> x;
  __device__ void operator()(std::size_t column) const {
    float total = 0.0f;
    for (int row = 0; row < x.size(0); ++row) total += x.row(row)[column];
    sum[column] = total;
  }
};

}  // namespace

void dense_forward(Stream& stream, Matrix<float> y, Matrix<const float> x,
                   Matrix<const float> weight, Vector<const float> bias) {
  launch_linear(stream, "dense_forward", y.count(), FillRows{y, bias.data});
  gpu::gemm(stream, y, x, false, weight, true, 1.0f, 1.0f);
}

void dense_backward(Stream& stream, const DenseGradients& g, Matrix<const float> x,
                    Matrix<const float> weight, Matrix<const float> d_y) {
  gpu::gemm(stream, g.d_weight, d_y, true, x, false, 1.0f, 0.0f);
  launch_linear(stream, "dense_backward", g.d_bias.count(), SumColumns{g.d_bias.data, d_y});
  if (g.d_x.data != nullptr) gpu::gemm(stream, g.d_x, d_y, false, weight, false, 1.0f, 0.0f);
}

}  // namespace mbrl::gpu
