// Weight gradients and the optimizer after them in one kernel body.
//
// A block owns a 64 x 32 tile of one weight matrix and sums it over the whole batch, so that there
// is no split sum and no atomic: the finished gradient is in registers, and decay, Adam and target
// averaging happen in place. The block at column 0 also owns the biases of its rows.
#pragma once

#include "kernels/gpu/block_mlp.cuh"
#include "kernels/gpu/parameter_step.cuh"

namespace mbrl::gpu {

constexpr int kUpdateOut = 64, kUpdateIn = 32;  // rows and columns of W per block
constexpr int kUpdateRows = 32;                 // rows of the batch staged at a time
// pitches that put the lanes of a matrix instruction on different banks
constexpr int kUpdateOutPitch = kUpdateOut + 8, kUpdateInPitch = kUpdateIn + 8;
constexpr std::size_t kUpdateSharedBytes =
    kUpdateRows * (kUpdateOutPitch + kUpdateInPitch) * sizeof(float);

/// Which block owns which tile.
struct UpdateTable {
  MlpTable mlp;
  int first_block[kMaxLayers + 1];
  float decay[kMaxLayers];  // gradient += decay * W

  MBRL_HD int num_blocks() const { return first_block[mlp.num_layers]; }
};

inline UpdateTable make_update_table(const MlpTable& mlp) {
  UpdateTable table{mlp, {}, {}};
  for (int i = 0; i < mlp.num_layers; ++i) {
    const LayerLayout& l = mlp.layer[i];
    const int tiles =
        ((l.out + kUpdateOut - 1) / kUpdateOut) * ((l.in_pitch + kUpdateIn - 1) / kUpdateIn);
    table.first_block[i + 1] = table.first_block[i] + tiles;
  }
  return table;
}

/// The 64 x 32 tile dy^T x of kUpdateRows rows at a time, spread over the threads of a block.
template <Precision kPrecision>
struct GradientTile;

template <>
struct GradientTile<Precision::kFp32> {
  float value[2][4] = {};

  __device__ __forceinline__ void add(const float* dy, const float* x) {
    const int n = static_cast<int>(threadIdx.x) / 8 * 2, k = static_cast<int>(threadIdx.x) % 8 * 4;
#pragma unroll 4
    for (int row = 0; row < kUpdateRows; ++row) {
      const float2 d = *reinterpret_cast<const float2*>(dy + row * kUpdateOutPitch + n);
      const float4 v = load4(x + row * kUpdateInPitch + k);
      value[0][0] = fma_f(d.x, v.x, value[0][0]);
      value[0][1] = fma_f(d.x, v.y, value[0][1]);
      value[0][2] = fma_f(d.x, v.z, value[0][2]);
      value[0][3] = fma_f(d.x, v.w, value[0][3]);
      value[1][0] = fma_f(d.y, v.x, value[1][0]);
      value[1][1] = fma_f(d.y, v.y, value[1][1]);
      value[1][2] = fma_f(d.y, v.z, value[1][2]);
      value[1][3] = fma_f(d.y, v.w, value[1][3]);
    }
  }

  template <typename F>
  __device__ __forceinline__ void each(F f) const {
    const int n = static_cast<int>(threadIdx.x) / 8 * 2, k = static_cast<int>(threadIdx.x) % 8 * 4;
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) f(n + i, k + j, value[i][j]);
  }
};

// Tensor cores: warp (i, j) = (w % 4, w / 4) holds rows 16 i and columns 16 j as two fragments.
template <Precision kPrecision>
struct GradientTile {
  float value[2][4] = {};

  __device__ __forceinline__ void add(const float* dy, const float* x) {
    const int g = lane() / 4, t = lane() % 4;
    const float* d = dy + row0() + g;
    const float* v = x + column0() + g;
    if constexpr (kPrecision == Precision::kTf32) {
#pragma unroll
      for (int step = 0; step < kUpdateRows; step += 8) {
        const int row = step + t;
        const float* d0 = d + row * kUpdateOutPitch;
        const float* d1 = d0 + 4 * kUpdateOutPitch;
        const std::uint32_t a[4] = {to_tf32(d0[0]), to_tf32(d0[8]), to_tf32(d1[0]), to_tf32(d1[8])};
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const std::uint32_t b[2] = {to_tf32(v[row * kUpdateInPitch + 8 * j]),
                                      to_tf32(v[(row + 4) * kUpdateInPitch + 8 * j])};
          mma_tf32(value[j], a, b);
        }
      }
    } else {
#pragma unroll
      for (int step = 0; step < kUpdateRows; step += 16) {
        const int row = step + 2 * t;
        const float* d0 = d + row * kUpdateOutPitch;
        const float* d1 = d0 + 8 * kUpdateOutPitch;
        const std::uint32_t a[4] = {
            pack(d0[0], d0[kUpdateOutPitch]), pack(d0[8], d0[kUpdateOutPitch + 8]),
            pack(d1[0], d1[kUpdateOutPitch]), pack(d1[8], d1[kUpdateOutPitch + 8])};
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const float* v0 = v + row * kUpdateInPitch + 8 * j;
          const float* v1 = v0 + 8 * kUpdateInPitch;
          const std::uint32_t b[2] = {pack(v0[0], v0[kUpdateInPitch]),
                                      pack(v1[0], v1[kUpdateInPitch])};
          if constexpr (kPrecision == Precision::kFp16) {
            mma_f16(value[j], a, b);
          } else {
            mma_bf16(value[j], a, b);
          }
        }
      }
    }
  }

  template <typename F>
  __device__ __forceinline__ void each(F f) const {
    const int g = lane() / 4, t = lane() % 4;
#pragma unroll
    for (int j = 0; j < 2; ++j)
#pragma unroll
      for (int c = 0; c < 4; ++c)
        f(row0() + g + 8 * (c / 2), column0() + 8 * j + 2 * t + c % 2, value[j][c]);
  }

 private:
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int row0() {
    return static_cast<int>(threadIdx.x) / 32 % 4 * 16;
  }
  static __device__ __forceinline__ int column0() {
    return static_cast<int>(threadIdx.x) / 128 * 16;
  }
  static __device__ __forceinline__ std::uint32_t pack(float low, float high) {
    return kPrecision == Precision::kFp16 ? pack_f16(low, high) : pack_bf16(low, high);
  }
};

/// Block `block` of the table's num_blocks(), over the first `rows` rows of the batch. `memory`:
/// kUpdateSharedBytes. `saved`: what the network's passes left. step(offset, gradient, decay) takes
/// each finished gradient. Where `factors` is given, gradients of row i in `saved` are still to be
/// multiplied by factors[i] (shared memory, written by any thread).
template <Precision kPrecision, typename Step = ParameterStep<kPrecision>>
__device__ void update_network(float* memory, const UpdateTable& table, const Saved& saved,
                               const Step& step, int block, int rows,
                               const float* factors = nullptr) {
  int layer = 0;
  while (block >= table.first_block[layer + 1]) ++layer;
  const LayerLayout& l = table.mlp.layer[layer];
  const int columns = (l.in_pitch + kUpdateIn - 1) / kUpdateIn;
  const int tile = block - table.first_block[layer];
  const int n0 = tile / columns * kUpdateOut, k0 = tile % columns * kUpdateIn;
  const int dz_pitch = saved.layout.dz_pitch[layer], x_pitch = saved.layout.x_pitch[layer];

  float* dy = memory;                                 // [kUpdateRows, 64]
  float* x = memory + kUpdateRows * kUpdateOutPitch;  // [kUpdateRows, 32]
  const int thread = static_cast<int>(threadIdx.x);
  const bool owns_bias = k0 == 0 && thread < kUpdateOut;
  float bias_gradient = 0.0f;
  GradientTile<kPrecision> gradient;
  const float4 zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  for (int first = 0; first < rows; first += kUpdateRows) {
    sync_block();
    // zeros past the batch and past the matrix
    for (int i = thread; i < kUpdateRows * kUpdateOut / 4; i += kBlockThreads) {
      const int row = i / (kUpdateOut / 4), column = i % (kUpdateOut / 4) * 4;
      const bool inside = first + row < rows && n0 + column < dz_pitch;
      float4 d = inside ? load4(saved.dz(layer, first + row) + n0 + column) : zero;
      if (inside && factors != nullptr) {
        const float f = factors[first + row];
        d = make_float4(f * d.x, f * d.y, f * d.z, f * d.w);
      }
      *reinterpret_cast<float4*>(dy + row * kUpdateOutPitch + column) = d;
    }
    for (int i = thread; i < kUpdateRows * kUpdateIn / 4; i += kBlockThreads) {
      const int row = i / (kUpdateIn / 4), column = i % (kUpdateIn / 4) * 4;
      const bool inside = first + row < rows && k0 + column < x_pitch;
      *reinterpret_cast<float4*>(x + row * kUpdateInPitch + column) =
          inside ? load4(saved.x(layer, first + row) + k0 + column) : zero;
    }
    sync_block();
    gradient.add(dy, x);
    if (owns_bias)
      for (int row = 0; row < kUpdateRows; ++row)
        bias_gradient += dy[row * kUpdateOutPitch + thread];
  }

  gradient.each([&](int n, int k, float value) {
    if (n0 + n >= l.out || k0 + k >= l.in_pitch) return;
    step(l.weight + static_cast<std::size_t>(n0 + n) * l.in_pitch + k0 + k, value,
         table.decay[layer]);
  });
  if (owns_bias && n0 + thread < l.out) step(l.bias + n0 + thread, bias_gradient, 0.0f);
}

}  // namespace mbrl::gpu
