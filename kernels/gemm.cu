// Products of any shape on the CUDA cores, in fp32: what small operations call, and the plain
// version of the products in the stages.
#include "cuda/blas.h"
#include "cuda/kernel.cuh"
#include "cuda/scalar.h"

namespace mbrl::gpu {
namespace {

constexpr int kTile = 32, kThreads = 256;  // a thread owns 4 rows of one column

/// op(x): element (row, column) of x or of its transpose, zero outside.
struct Operand {
  Matrix<const float> x;
  bool transpose;
  __device__ float at(int row, int column, int rows, int columns) const {
    if (row >= rows || column >= columns) return 0.0f;
    return transpose ? x.row(column)[row] : x.row(row)[column];
  }
};

__global__ void gemm_kernel(Matrix<float> c, Operand a, Operand b, int depth, float alpha,
                            float beta) {
  float* a_tile = shared_floats();               // [row][k]
  float* b_tile = a_tile + kTile * (kTile + 1);  // [k][column]
  const int column = static_cast<int>(threadIdx.x) % kTile;
  const int first_row = static_cast<int>(threadIdx.x) / kTile;
  const int row0 = static_cast<int>(blockIdx.y) * kTile,
            column0 = static_cast<int>(blockIdx.x) * kTile;
  float sum[kTile / 8] = {};
  for (int k0 = 0; k0 < depth; k0 += kTile) {
    for (int i = first_row; i < kTile; i += 8) {
      a_tile[i * (kTile + 1) + column] = a.at(row0 + i, k0 + column, c.size(0), depth);
      b_tile[i * (kTile + 1) + column] = b.at(k0 + i, column0 + column, depth, c.size(1));
    }
    sync_block();
    for (int k = 0; k < kTile; ++k)
      for (int i = 0; i < kTile / 8; ++i)
        sum[i] = fma_f(a_tile[(first_row + 8 * i) * (kTile + 1) + k],
                       b_tile[k * (kTile + 1) + column], sum[i]);
    sync_block();
  }
  for (int i = 0; i < kTile / 8; ++i) {
    const int row = row0 + first_row + 8 * i;
    if (row >= c.size(0) || column0 + column >= c.size(1)) continue;
    float& out = c.row(row)[column0 + column];
    // with beta = 0 the old value may be anything
    out = beta == 0.0f ? alpha * sum[i] : fma_f(alpha, sum[i], beta * out);
  }
}

}  // namespace

void gemm(Stream& stream, Matrix<float> c, Matrix<const float> a, bool transpose_a,
          Matrix<const float> b, bool transpose_b, float alpha, float beta) {
  if (c.count() == 0) return;
  const int depth = transpose_a ? a.size(0) : a.size(1);
  const auto tiles = [](int size) { return static_cast<unsigned>((size + kTile - 1) / kTile); };
  launch(
      stream, "gemm", gemm_kernel,
      {{tiles(c.size(1)), tiles(c.size(0)), 1}, kThreads, 2 * kTile * (kTile + 1) * sizeof(float)},
      c, Operand{a, transpose_a}, Operand{b, transpose_b}, depth, alpha, beta);
}

}  // namespace mbrl::gpu
