#include "kernels/formulas/dense.h"

#include <algorithm>

#include "kernels/cpu/blas.h"
#include "kernels/cpu/parallel.h"
#include "kernels/data/shapes.h"

namespace mbrl {
namespace {

// rows of a batch per GEMM: enough to reuse the weights, few enough to share a batch of 256
constexpr int kRowsPerTask = 64;

template <typename T>
Matrix<T> rows_of(Matrix<T> m, int begin, int end) {
  return {m.row(begin), end - begin, m.size(1)};
}

}  // namespace

void dense_forward(Stream& stream, Matrix<float> y, Matrix<const float> x,
                   Matrix<const float> weight, Vector<const float> bias) {
  const int B = x.size(0), in = x.size(1), out = y.size(1);
  check_shape("dense_forward", {"weight", weight}, {out, in}, "columns of y by columns of x");
  check_shape("dense_forward", {"bias", bias}, {out}, "one per row of weight");
  check_shape("dense_forward", {"y", y}, {B, out}, "one row per row of x");
  if (stream.on_gpu()) return gpu::dense_forward(stream, y, x, weight, bias);

  parallel_ranges(stream, static_cast<std::size_t>(B), kRowsPerTask,
                  [&](std::size_t b, std::size_t e) {
                    const int begin = static_cast<int>(b), end = static_cast<int>(e);
                    for (int row = begin; row < end; ++row) std::copy_n(bias.data, out, y.row(row));
                    gemm(stream, rows_of(y, begin, end), rows_of(x, begin, end), false, weight,
                         true, 1.0f, 1.0f);
                  });
}

void dense_backward(Stream& stream, const DenseGradients& gradients, Matrix<const float> x,
                    Matrix<const float> weight, Matrix<const float> d_y) {
  const DenseGradients& g = gradients;
  const int B = x.size(0), in = x.size(1), out = weight.size(0);
  check_shape("dense_backward", {"weight", weight}, {out, in}, "one column per column of x");
  check_shape("dense_backward", {"d_y", d_y}, {B, out}, "rows of x by rows of weight");
  check_shape("dense_backward", {"d_weight", g.d_weight}, {out, in}, "the shape of weight");
  check_shape("dense_backward", {"d_bias", g.d_bias}, {out}, "one per row of weight");
  const bool with_d_x = g.d_x.data != nullptr;
  if (with_d_x) check_shape("dense_backward", {"d_x", g.d_x}, {B, in}, "the shape of x");
  if (stream.on_gpu()) return gpu::dense_backward(stream, gradients, x, weight, d_y);

  // task 0 sums over the batch, which is half of the work; the others own rows of d_x
  const int row_tasks = with_d_x ? (B + kRowsPerTask - 1) / kRowsPerTask : 0;
  stream.pool().parallel_for(1 + row_tasks, [&](int task) {
    if (task == 0) {
      gemm(stream, g.d_weight, d_y, true, x, false);
      std::fill_n(g.d_bias.data, out, 0.0f);
      for (int row = 0; row < B; ++row)
        for (int o = 0; o < out; ++o) g.d_bias[o] += d_y.row(row)[o];
      return;
    }
    const int begin = (task - 1) * kRowsPerTask, end = std::min(begin + kRowsPerTask, B);
    gemm(stream, rows_of(g.d_x, begin, end), rows_of(d_y, begin, end), false, weight, false);
  });
}

}  // namespace mbrl
