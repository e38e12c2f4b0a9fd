// Weight gradients and the optimizer after them in one kernel body.
//
// A block owns a 64 x 32 tile of one weight matrix and sums it over the whole batch, so that there
// is no sum over blocks and no atomic: the finished gradient is in registers, and decay, Adam and
// target averaging happen in place. Within the block, kUpdateParts pairs of warps each take a part
// of the batch; their sums meet in shared memory, in order. The block at column 0 also owns the
// biases of its rows.
#pragma once

#include "kernels/gpu/block_mlp.cuh"
#include "kernels/gpu/parameter_step.cuh"

namespace mbrl::gpu {

constexpr int kUpdateOut = 64, kUpdateIn = 32;  // rows and columns of W per block
constexpr int kUpdateRows = 64;                 // rows of the batch staged at a time
constexpr int kUpdateParts = kWarps / 2;
// pitches that put the lanes of a matrix instruction on different banks
constexpr int kUpdateOutPitch = kUpdateOut + 8, kUpdateInPitch = kUpdateIn + 8;
/// Staged rows of dy and x; the partial sums take their place.
constexpr int kUpdateStageFloats = kUpdateRows * (kUpdateOutPitch + kUpdateInPitch);
constexpr int kUpdatePartFloats = kUpdateOut * kUpdateInPitch;
constexpr int kUpdateTileFloats = kUpdateStageFloats > kUpdateParts* kUpdatePartFloats
                                      ? kUpdateStageFloats
                                      : kUpdateParts* kUpdatePartFloats;
constexpr std::size_t kUpdateSharedBytes =
    (kUpdateTileFloats + kBlockThreads) * sizeof(float);  // and a sum of biases per thread

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

/// A warp's share of the tile dy^T x: of every kUpdateRows rows those of part warp / 2, and 16 of
/// the 32 columns.
template <Precision kPrecision>
struct GradientTile;

constexpr int kUpdatePartRows = kUpdateRows / kUpdateParts;

__device__ __forceinline__ int update_part() { return static_cast<int>(threadIdx.x) / 64; }
__device__ __forceinline__ int update_column0() {
  return static_cast<int>(threadIdx.x) / 32 % 2 * 16;
}

// CUDA cores. Lane (i, j) = (lane / 4, lane % 4) holds rows 4i .. 4i + 3 of each half of the tile,
// columns 4j .. 4j + 3.
template <>
struct GradientTile<Precision::kFp32> {
  float value[8][4] = {};

  __device__ __forceinline__ void add(const float* dy, const float* x) {
    const float* d = dy + update_part() * kUpdatePartRows * kUpdateOutPitch + row0();
    const float* v = x + update_part() * kUpdatePartRows * kUpdateInPitch + column();
#pragma unroll 4
    for (int row = 0; row < kUpdatePartRows; ++row) {
      const float4 low = load4(d + row * kUpdateOutPitch);
      const float4 high = load4(d + row * kUpdateOutPitch + kUpdateOut / 2);
      const float4 columns = load4(v + row * kUpdateInPitch);
      const float rows[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        value[i][0] = fma_f(rows[i], columns.x, value[i][0]);
        value[i][1] = fma_f(rows[i], columns.y, value[i][1]);
        value[i][2] = fma_f(rows[i], columns.z, value[i][2]);
        value[i][3] = fma_f(rows[i], columns.w, value[i][3]);
      }
    }
  }

  /// To [kUpdateOut, kUpdateInPitch] of this warp's part.
  __device__ __forceinline__ void store(float* part) const {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int n = row0() + i % 4 + i / 4 * (kUpdateOut / 2);
      *reinterpret_cast<float4*>(part + n * kUpdateInPitch + column()) =
          make_float4(value[i][0], value[i][1], value[i][2], value[i][3]);
    }
  }

 private:
  static __device__ __forceinline__ int row0() {
    return static_cast<int>(threadIdx.x) % 32 / 4 * 4;
  }
  static __device__ __forceinline__ int column() {
    return update_column0() + static_cast<int>(threadIdx.x) % 4 * 4;
  }
};

// Tensor cores: four row tiles of 16 and two column tiles of 8.
template <Precision kPrecision>
struct GradientTile {
  float value[4][2][4] = {};

  __device__ __forceinline__ void add(const float* dy, const float* x) {
    const int g = lane() / 4, t = lane() % 4;
    const float* d = dy + update_part() * kUpdatePartRows * kUpdateOutPitch + g;
    const float* v = x + update_part() * kUpdatePartRows * kUpdateInPitch + update_column0() + g;
    if constexpr (kPrecision == Precision::kTf32) {
#pragma unroll
      for (int step = 0; step < kUpdatePartRows; step += 8) {
        std::uint32_t b[2][2];
#pragma unroll
        for (int j = 0; j < 2; ++j)
#pragma unroll
          for (int k = 0; k < 2; ++k)
            b[j][k] = to_tf32(v[(step + t + 4 * k) * kUpdateInPitch + 8 * j]);
#pragma unroll
        for (int m = 0; m < 4; ++m) {
          const float* d0 = d + (step + t) * kUpdateOutPitch + 16 * m;
          const float* d1 = d0 + 4 * kUpdateOutPitch;
          const std::uint32_t a[4] = {to_tf32(d0[0]), to_tf32(d0[8]), to_tf32(d1[0]),
                                      to_tf32(d1[8])};
#pragma unroll
          for (int j = 0; j < 2; ++j) mma_tf32(value[m][j], a, b[j]);
        }
      }
    } else {
      static_assert(kUpdatePartRows == 16);
      std::uint32_t b[2][2];
#pragma unroll
      for (int j = 0; j < 2; ++j)
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          const float* v0 = v + (2 * t + 8 * k) * kUpdateInPitch + 8 * j;
          b[j][k] = pack(v0[0], v0[kUpdateInPitch]);
        }
#pragma unroll
      for (int m = 0; m < 4; ++m) {
        const float* d0 = d + 2 * t * kUpdateOutPitch + 16 * m;
        const float* d1 = d0 + 8 * kUpdateOutPitch;
        const std::uint32_t a[4] = {
            pack(d0[0], d0[kUpdateOutPitch]), pack(d0[8], d0[kUpdateOutPitch + 8]),
            pack(d1[0], d1[kUpdateOutPitch]), pack(d1[8], d1[kUpdateOutPitch + 8])};
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          if constexpr (kPrecision == Precision::kFp16) {
            mma_f16(value[m][j], a, b[j]);
          } else {
            mma_bf16(value[m][j], a, b[j]);
          }
        }
      }
    }
  }

  __device__ __forceinline__ void store(float* part) const {
    const int g = lane() / 4, t = lane() % 4;
#pragma unroll
    for (int m = 0; m < 4; ++m)
#pragma unroll
      for (int j = 0; j < 2; ++j)
#pragma unroll
        for (int half = 0; half < 2; ++half)
          *reinterpret_cast<float2*>(part + (16 * m + g + 8 * half) * kUpdateInPitch +
                                     update_column0() + 8 * j + 2 * t) =
              make_float2(value[m][j][2 * half], value[m][j][2 * half + 1]);
  }

 private:
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ std::uint32_t pack(float low, float high) {
    return kPrecision == Precision::kFp16 ? pack_f16(low, high) : pack_bf16(low, high);
  }
};

/// kUpdateRows rows of dy and x on their way through registers to shared memory: the rows of one
/// stage travel while those before them are multiplied.
class UpdateStage {
 public:
  __device__ __forceinline__ UpdateStage(const Saved& saved, int layer, int n0, int k0, int rows)
      : dz_pitch_(saved.layout.dz_pitch[layer]),
        x_pitch_(saved.layout.x_pitch[layer]),
        rows_(rows),
        dz_(saved.dz(layer, 0) + n0 + dy_column()),
        x_(saved.x(layer, 0) + k0 + x_column()),
        dy_inside_(n0 + dy_column() < dz_pitch_),
        x_inside_(k0 + x_column() < x_pitch_) {}

  /// Rows [first, first + kUpdateRows): zeros past the batch and past the matrix.
  __device__ __forceinline__ void load(int first) {
#pragma unroll
    for (int i = 0; i < kDyLoads; ++i) {
      const int row = first + dy_row(i);
      dy_next_[i] = dy_inside_ && row < rows_
                        ? load4(dz_ + static_cast<std::size_t>(row) * dz_pitch_)
                        : zero();
    }
#pragma unroll
    for (int i = 0; i < kXLoads; ++i) {
      const int row = first + x_row(i);
      x_next_[i] =
          x_inside_ && row < rows_ ? load4(x_ + static_cast<std::size_t>(row) * x_pitch_) : zero();
    }
  }

  /// The loaded rows, each of dy times its factor where there are any.
  __device__ __forceinline__ void store(float* dy, float* x, const float* factors,
                                        int first) const {
#pragma unroll
    for (int i = 0; i < kDyLoads; ++i) {
      float4 d = dy_next_[i];
      if (factors != nullptr) {
        const int row = first + dy_row(i);
        const float f = row < rows_ ? factors[row] : 0.0f;
        d = make_float4(f * d.x, f * d.y, f * d.z, f * d.w);
      }
      *reinterpret_cast<float4*>(dy + dy_row(i) * kUpdateOutPitch + dy_column()) = d;
    }
#pragma unroll
    for (int i = 0; i < kXLoads; ++i)
      *reinterpret_cast<float4*>(x + x_row(i) * kUpdateInPitch + x_column()) = x_next_[i];
  }

 private:
  static constexpr int kDyLoads = kUpdateRows * kUpdateOut / 4 / kBlockThreads;
  static constexpr int kXLoads = kUpdateRows * kUpdateIn / 4 / kBlockThreads;
  static __device__ __forceinline__ float4 zero() { return make_float4(0.0f, 0.0f, 0.0f, 0.0f); }
  static __device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }
  // a thread keeps its column and takes every 16th or 32nd row
  static __device__ __forceinline__ int dy_column() { return thread() % (kUpdateOut / 4) * 4; }
  static __device__ __forceinline__ int dy_row(int i) {
    return thread() / (kUpdateOut / 4) + i * (kUpdateRows / kDyLoads);
  }
  static __device__ __forceinline__ int x_column() { return thread() % (kUpdateIn / 4) * 4; }
  static __device__ __forceinline__ int x_row(int i) {
    return thread() / (kUpdateIn / 4) + i * (kUpdateRows / kXLoads);
  }

  int dz_pitch_, x_pitch_, rows_;
  const float *dz_, *x_;
  bool dy_inside_, x_inside_;
  float4 dy_next_[kDyLoads], x_next_[kXLoads];
};

/// Block `block` of the table's num_blocks(), over the first `rows` rows of the batch. `memory`:
/// kUpdateSharedBytes. `saved`: what the network's passes left. `step` takes each finished gradient
/// (parameter_step.cuh says how). Where `factors` is given, gradients of row i in `saved` are still
/// to be multiplied by factors[i] (shared memory); prepare() fills them, while loads are under way.
template <Precision kPrecision, typename Step = ParameterStep<kPrecision>, typename Prepare>
__device__ void update_network(float* memory, const UpdateTable& table, const Saved& saved,
                               const Step& step, int block, int rows, const float* factors,
                               Prepare prepare) {
  int layer = 0;
  while (block >= table.first_block[layer + 1]) ++layer;
  const LayerLayout& l = table.mlp.layer[layer];
  const int columns = (l.in_pitch + kUpdateIn - 1) / kUpdateIn;
  const int tile = block - table.first_block[layer];
  const int n0 = tile / columns * kUpdateOut, k0 = tile % columns * kUpdateIn;

  float* dy = memory;                                 // [kUpdateRows, 64]
  float* x = memory + kUpdateRows * kUpdateOutPitch;  // [kUpdateRows, 32]
  float* bias_part = memory + kUpdateTileFloats;      // [4, 64]
  const int thread = static_cast<int>(threadIdx.x);
  const bool owns_bias = k0 == 0;
  float bias_gradient = 0.0f;  // of output thread % 64, rows of one part
  GradientTile<kPrecision> gradient;
  UpdateStage stage(saved, layer, n0, k0, rows);
  stage.load(0);
  prepare();
  for (int first = 0; first < rows; first += kUpdateRows) {
    sync_block();
    stage.store(dy, x, factors, first);
    sync_block();
    if (first + kUpdateRows < rows) stage.load(first + kUpdateRows);
    gradient.add(dy, x);
    if (owns_bias) {
      const float* part = dy + thread / kUpdateOut * kUpdatePartRows * kUpdateOutPitch;
#pragma unroll 4
      for (int row = 0; row < kUpdatePartRows; ++row)
        bias_gradient += part[row * kUpdateOutPitch + thread % kUpdateOut];
    }
  }

  // a thread finishes four columns of two rows; their parameters come while the parts meet
  const int n = thread / (kUpdateIn / 4), k = thread % (kUpdateIn / 4) * 4;
  const auto offset = [&](int half) {
    return l.weight + static_cast<std::size_t>(n0 + n + half * (kUpdateOut / 2)) * l.in_pitch + k0 +
           k;
  };
  const auto inside = [&](int half) {
    return n0 + n + half * (kUpdateOut / 2) < l.out && k0 + k < l.in_pitch;
  };
  typename Step::Four before[2];
  for (int half = 0; half < 2; ++half)
    if (inside(half)) before[half] = step.load(offset(half));
  sync_block();  // the last stage has been read: parts take its place
  gradient.store(memory + update_part() * kUpdatePartFloats);
  if (owns_bias) bias_part[thread] = bias_gradient;
  sync_block();
  for (int half = 0; half < 2; ++half) {
    if (!inside(half)) continue;
    const float* part = memory + (n + half * (kUpdateOut / 2)) * kUpdateInPitch + k;
    float4 sum = load4(part);
#pragma unroll
    for (int i = 1; i < kUpdateParts; ++i) {
      const float4 other = load4(part + i * kUpdatePartFloats);
      sum = make_float4(sum.x + other.x, sum.y + other.y, sum.z + other.z, sum.w + other.w);
    }
    step.store(offset(half), before[half], sum, table.decay[layer]);
  }
  if (owns_bias && thread < kUpdateOut && n0 + thread < l.out) {
    float sum = bias_part[thread];
    for (int i = 1; i < kBlockThreads / kUpdateOut; ++i) sum += bias_part[thread + i * kUpdateOut];
    step.one(l.bias + n0 + thread, sum, 0.0f);
  }
}

/// The same where gradients are complete.
template <Precision kPrecision, typename Step = ParameterStep<kPrecision>>
__device__ void update_network(float* memory, const UpdateTable& table, const Saved& saved,
                               const Step& step, int block, int rows) {
  update_network<kPrecision>(memory, table, saved, step, block, rows, nullptr, [] {});
}

}  // namespace mbrl::gpu
