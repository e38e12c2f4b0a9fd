// Our own product of any shape on the CUDA cores, and the choice between it and the libraries.
#include "base/scalar.h"
#include "kernels/gpu/linear.cuh"
#include "kernels/gpu/product.h"

namespace mbrl::gpu {
namespace {

// A block of 256 threads owns a 64 x 64 tile of c, a thread 4 x 4 of it.
// Its operands, and then its results, pass through kTile * kPitch floats of shared memory.
constexpr int kTile = 64, kDepth = 16, kThreads = 256, kPitch = kTile + 4;

/// Element (row, column) of op(x), zero outside.
__device__ __forceinline__ float element(const Operand& x, const float* data, int row, int column,
                                         int rows, int columns) {
  if (row >= rows || column >= columns) return 0.0f;
  return x.transposed ? data[static_cast<std::size_t>(column) * x.pitch + row]
                      : data[static_cast<std::size_t>(row) * x.pitch + column];
}

__device__ __forceinline__ void add_row(float (&sum)[4], float x, const float4& y) {
  sum[0] = fma_f(x, y.x, sum[0]);
  sum[1] = fma_f(x, y.y, sum[1]);
  sum[2] = fma_f(x, y.z, sum[2]);
  sum[3] = fma_f(x, y.w, sum[3]);
}

/// What becomes of z at (row, column) of problem `problem`.
__device__ __forceinline__ void finish(const Product& p, int problem, int row, int column,
                                       float z) {
  const std::size_t at = problem * p.c_stride + static_cast<std::size_t>(row) * p.c_pitch +
                         static_cast<std::size_t>(column);
  if (p.gate != nullptr) {
    p.c[at] = z * activation_gradient(p.activation, p.gate[at]);
    return;
  }
  if (p.before_activation != nullptr) p.before_activation[at] = z;
  p.c[at] = activate(p.activation, z);
}

__global__ void __launch_bounds__(kThreads) product_kernel(const __grid_constant__ Product p) {
  float* a_tile = shared_floats();           // [kDepth][row]
  float* b_tile = a_tile + kDepth * kPitch;  // [kDepth][column]
  const int thread = static_cast<int>(threadIdx.x), problem = static_cast<int>(blockIdx.z);
  const int row0 = static_cast<int>(blockIdx.y) * kTile;
  const int column0 = static_cast<int>(blockIdx.x) * kTile;
  const float* a = p.a.data + problem * p.a.stride;
  const float* b = p.b.data + problem * p.b.stride;
  const int r = thread / 16 * 4, c = thread % 16 * 4;
  float sum[4][4] = {};
  for (int k0 = 0; k0 < p.depth; k0 += kDepth) {
    // neighboring threads read neighboring addresses, whichever way the operand lies
    for (int i = thread; i < kDepth * kTile; i += kThreads) {
      const int ka = p.a.transposed ? i / kTile : i % kDepth;
      const int row = p.a.transposed ? i % kTile : i / kDepth;
      a_tile[ka * kPitch + row] = element(p.a, a, row0 + row, k0 + ka, p.rows, p.depth);
      const int kb = p.b.transposed ? i % kDepth : i / kTile;
      const int column = p.b.transposed ? i / kDepth : i % kTile;
      b_tile[kb * kPitch + column] = element(p.b, b, k0 + kb, column0 + column, p.depth, p.columns);
    }
    sync_block();
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      const float4 av = *reinterpret_cast<const float4*>(a_tile + k * kPitch + r);
      const float4 bv = *reinterpret_cast<const float4*>(b_tile + k * kPitch + c);
      add_row(sum[0], av.x, bv);
      add_row(sum[1], av.y, bv);
      add_row(sum[2], av.z, bv);
      add_row(sum[3], av.w, bv);
    }
    sync_block();
  }
  // through shared memory, so that neighboring threads write neighboring addresses
  float* tile = shared_floats();  // [kTile][kPitch]
#pragma unroll
  for (int i = 0; i < 4; ++i)
    *reinterpret_cast<float4*>(tile + (r + i) * kPitch + c) =
        make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
  sync_block();
#pragma unroll 1
  for (int i = thread; i < kTile * kTile; i += kThreads) {
    const int row = row0 + i / kTile, column = column0 + i % kTile;
    if (row >= p.rows || column >= p.columns) continue;
    float z = p.alpha * tile[i / kTile * kPitch + i % kTile];
    // with beta = 0 the old value may be anything
    if (p.beta != 0.0f)
      z = fma_f(p.beta,
                p.c[problem * p.c_stride + static_cast<std::size_t>(row) * p.c_pitch + column], z);
    if (p.bias != nullptr) z += p.bias[problem * p.bias_stride + column];
    finish(p, problem, row, column, z);
  }
}

/// The part of a product that a library left: c holds z.
struct Finish {
  Product p;
  __device__ void operator()(std::size_t i) const {
    const int column = static_cast<int>(i % p.columns);
    const int row = static_cast<int>(i / p.columns % p.rows);
    const int problem = static_cast<int>(i / p.columns / p.rows);
    finish(p, problem, row, column,
           p.c[problem * p.c_stride + static_cast<std::size_t>(row) * p.c_pitch + column]);
  }
};

// the library does bias and relu; the rest is a kernel of ours after it
void multiply_by_cublaslt(Stream& stream, std::shared_ptr<void>& kept, const Product& p) {
  const bool whole = p.gate == nullptr && p.before_activation == nullptr &&
                     (p.activation == Activation::kNone || p.activation == Activation::kRelu);
  if (whole) return cublaslt::multiply(stream, kept, p);
  Product plain = p;
  plain.activation = Activation::kNone;
  plain.before_activation = nullptr;
  plain.gate = nullptr;
  cublaslt::multiply(stream, kept, plain);
  launch_linear(stream, "product_finish", static_cast<std::size_t>(p.count) * p.rows * p.columns,
                Finish{p});
}

void multiply_plainly(Stream& stream, const Product& p) {
  if (p.count == 0 || p.rows == 0 || p.columns == 0) return;
  const auto tiles = [](int size) { return static_cast<unsigned>((size + kTile - 1) / kTile); };
  launch(stream, "product", product_kernel,
         {{tiles(p.columns), tiles(p.rows), static_cast<unsigned>(p.count)},
          kThreads,
          kTile * kPitch * sizeof(float)},
         p);
}

}  // namespace

void multiply(Stream& stream, const Gemm& gemm, const Product& p) {
  switch (gemm.provider()) {
    case GemmProvider::kFused:
    case GemmProvider::kPlain:
      return multiply_plainly(stream, p);
    case GemmProvider::kCublasLt:
      return multiply_by_cublaslt(stream, gemm.library(), p);
    case GemmProvider::kCudnn:
      return cudnn::multiply(stream, gemm.library(), p);
  }
}

}  // namespace mbrl::gpu
