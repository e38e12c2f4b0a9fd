// Weight gradients and the optimizer after them in one kernel body.
//
// Stages of the batch come as operands, straight into shared memory, while those before them are
// multiplied. A block owns a 64 x 32 tile of one weight matrix and sums it over the whole batch, so that there
// is no sum over blocks and no atomic: the finished gradient is in registers, and decay, Adam and
// target averaging happen in place. Within the block, kUpdateParts pairs of warps each take a part
// of the batch; their sums meet in shared memory, in order. The block at column 0 also owns the
// biases of its rows.
#pragma once

#include "kernels/gpu/block_mlp.cuh"
#include "kernels/gpu/parameter_step.cuh"

namespace mbrl::gpu {

constexpr int kUpdateOut = 64, kUpdateIn = 32;  // rows and columns of W per block
constexpr int kUpdateRows = 64;                 // rows of the batch in a stage
constexpr int kUpdateParts = kWarps / 2;
// pitches that put the lanes of a matrix instruction on different banks
constexpr int kUpdateOutPitch = kUpdateOut + 8, kUpdateInPitch = kUpdateIn + 8;
/// Stages in shared memory at once: as many as let two blocks share 99 KiB in 16 bits, and start at
/// all within 64 KiB otherwise.
template <Precision kPrecision>
constexpr int kUpdateStages = kIs16Bit<kPrecision> ? 3 : 2;
/// Floats of all stages; the partial sums take their place.
template <Precision kPrecision>
constexpr int kUpdateStageFloats = kUpdateStages<kPrecision>* kUpdateRows*(kUpdateOutPitch +
                                                                           kUpdateInPitch) *
                                   static_cast<int>(sizeof(OperandOf<kPrecision>)) / 4;
constexpr int kUpdatePartFloats = kUpdateOut * kUpdateInPitch;
static_assert(kUpdateParts * kUpdatePartFloats <= kUpdateStageFloats<Precision::kBf16>);
template <Precision kPrecision>
constexpr std::size_t kUpdateSharedBytes = (kUpdateStageFloats<kPrecision> + kBlockThreads) *
                                           sizeof(float);  // a sum of biases per thread

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

  __device__ __forceinline__ void add(const OperandOf<kPrecision>* dy,
                                      const OperandOf<kPrecision>* x) {
    const OperandOf<kPrecision>* d = dy + update_part() * kUpdatePartRows * kUpdateOutPitch;
    const OperandOf<kPrecision>* v =
        x + update_part() * kUpdatePartRows * kUpdateInPitch + update_column0();
    if constexpr (kPrecision == Precision::kTf32) {
      const int g = lane() / 4, t = lane() % 4;
#pragma unroll
      for (int step = 0; step < kUpdatePartRows; step += 8) {
        std::uint32_t b[2][2];
#pragma unroll
        for (int j = 0; j < 2; ++j)
#pragma unroll
          for (int k = 0; k < 2; ++k)
            b[j][k] = v[(step + t + 4 * k) * kUpdateInPitch + 8 * j + g].word;
#pragma unroll
        for (int m = 0; m < 4; ++m) {
          const Tf32* d0 = d + (step + t) * kUpdateOutPitch + 16 * m + g;
          const Tf32* d1 = d0 + 4 * kUpdateOutPitch;
          const std::uint32_t a[4] = {d0[0].word, d0[8].word, d1[0].word, d1[8].word};
#pragma unroll
          for (int j = 0; j < 2; ++j) mma_tf32(value[m][j], a, b[j]);
        }
      }
    } else {
      static_assert(kUpdatePartRows == 16);
      // lane i names row i % 8 of quarter i / 8 of 16 x 16 values. Both operands are summed over
      // rows: quarters follow each other along the columns of dy, and along the rows of x
      const int row = lane() % 8, quarter = lane() / 8;
      std::uint32_t b[4];
      load_transposed(b, v + (row + quarter % 2 * 8) * kUpdateInPitch + quarter / 2 * 8);
#pragma unroll
      for (int m = 0; m < 4; ++m) {
        std::uint32_t a[4];
        load_transposed(a,
                        d + (row + quarter / 2 * 8) * kUpdateOutPitch + 16 * m + quarter % 2 * 8);
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const std::uint32_t columns[2] = {b[2 * j], b[2 * j + 1]};
          if constexpr (kPrecision == Precision::kFp16) {
            mma_f16(value[m][j], a, columns);
          } else {
            mma_bf16(value[m][j], a, columns);
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
};

/// Stages of kUpdateRows rows of dy and x on their way to shared memory, [stages][rows, pitch] each.
/// A thread copies the same columns of one to four rows, 16 bytes at a time.
template <Precision kPrecision>
class UpdateStages {
 public:
  using Value = OperandOf<kPrecision>;
  static constexpr int kStages = kUpdateStages<kPrecision>;

  __device__ __forceinline__ UpdateStages(float* memory, const Saved<Value>& saved, int layer,
                                          int n0, int k0, int rows)
      : memory_(reinterpret_cast<Value*>(memory)),
        dz_pitch_(saved.layout.dz_pitch[layer]),
        x_pitch_(saved.layout.x_pitch[layer]),
        rows_(rows),
        dz_(saved.dz(layer, 0) + n0 + dy_column()),
        x_(saved.x(layer, 0) + k0 + x_column()),
        dy_inside_(n0 + dy_column() < dz_pitch_),
        x_inside_(k0 + x_column() < x_pitch_) {}

  __device__ __forceinline__ Value* dy(int stage) const {
    return memory_ + stage % kStages * (kUpdateRows * (kUpdateOutPitch + kUpdateInPitch));
  }
  __device__ __forceinline__ Value* x(int stage) const {
    return dy(stage) + kUpdateRows * kUpdateOutPitch;
  }

  /// Stage `stage` as one group of copies: zeros past the batch and past the matrix, none past the
  /// last stage.
  __device__ __forceinline__ void start(int stage) const {
    const int first = stage * kUpdateRows;
    if (first < rows_) {
#pragma unroll
      for (int i = 0; i < kDyCopies; ++i)
        start_copy(dy(stage) + dy_at(i),
                   dz_ + static_cast<std::size_t>(first + dy_row(i)) * dz_pitch_,
                   dy_inside_ && first + dy_row(i) < rows_);
#pragma unroll
      for (int i = 0; i < kXCopies; ++i)
        start_copy(x(stage) + x_row(i) * kUpdateInPitch + x_column(),
                   x_ + static_cast<std::size_t>(first + x_row(i)) * x_pitch_,
                   x_inside_ && first + x_row(i) < rows_);
    }
    end_group();
  }

  /// factor(row) of the rows whose dy this thread copies, for scale().
  template <typename Factor>
  __device__ __forceinline__ void load_factors(int stage, Factor factor) {
#pragma unroll
    for (int i = 0; i < kDyCopies; ++i) {
      const int row = stage * kUpdateRows + dy_row(i);
      factor_[i] = row < rows_ ? factor(row) : 0.0f;
    }
  }
  /// This thread's dy of the stage, which is there, times their factors.
  __device__ __forceinline__ void scale(int stage) const {
#pragma unroll
    for (int i = 0; i < kDyCopies; ++i)
#pragma unroll
      for (int j = 0; j < kValues; j += 4) {
        Value* at = dy(stage) + dy_at(i) + j;
        const float4 d = load_operands<kPrecision>(at);
        const auto scaled = [f = factor_[i]](float x) {
          // within the range of fp16, as scaled_gradient() is
          return kPrecision == Precision::kFp16 ? clamp_f(f * x, -65504.0f, 65504.0f) : f * x;
        };
        store_operands<kPrecision>(at,
                                   make_float4(scaled(d.x), scaled(d.y), scaled(d.z), scaled(d.w)));
      }
  }

 private:
  static constexpr int kValues = 16 / sizeof(Value);  // of a copy
  static constexpr int kDyCopies = kUpdateRows * kUpdateOut / kValues / kBlockThreads;
  static constexpr int kXCopies = kUpdateRows * kUpdateIn / kValues / kBlockThreads;
  static __device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }
  static __device__ __forceinline__ int dy_column() {
    return thread() % (kUpdateOut / kValues) * kValues;
  }
  static __device__ __forceinline__ int dy_row(int i) {
    return thread() / (kUpdateOut / kValues) + i * (kUpdateRows / kDyCopies);
  }
  static __device__ __forceinline__ int dy_at(int i) {
    return dy_row(i) * kUpdateOutPitch + dy_column();
  }
  static __device__ __forceinline__ int x_column() {
    return thread() % (kUpdateIn / kValues) * kValues;
  }
  static __device__ __forceinline__ int x_row(int i) {
    return thread() / (kUpdateIn / kValues) + i * (kUpdateRows / kXCopies);
  }

  Value* memory_;
  int dz_pitch_, x_pitch_, rows_;
  const Value *dz_, *x_;
  bool dy_inside_, x_inside_;
  float factor_[kDyCopies];
};

/// Gradients in `saved` that are complete as they are.
struct NoFactor {};

/// Block `block` of the table's num_blocks(), over the first `rows` rows of the batch. `memory`:
/// kUpdateSharedBytes<kPrecision>. `saved`: what the network's passes left. `step` takes each finished gradient
/// (parameter_step.cuh says how). Where gradients of row i in `saved` are still to be multiplied by a
/// number, factor(i) is that.
template <Precision kPrecision, typename Step = ParameterStep<kPrecision>,
          typename Factor = NoFactor>
__device__ void update_network(float* memory, const UpdateTable& table,
                               const Saved<OperandOf<kPrecision>>& saved, const Step& step,
                               int block, int rows, Factor factor = {}) {
  constexpr bool kHasFactor = !std::is_same_v<Factor, NoFactor>;
  int layer = 0;
  while (block >= table.first_block[layer + 1]) ++layer;
  const LayerLayout& l = table.mlp.layer[layer];
  const int columns = (l.in_pitch + kUpdateIn - 1) / kUpdateIn;
  const int tile = block - table.first_block[layer];
  const int n0 = tile / columns * kUpdateOut, k0 = tile % columns * kUpdateIn;

  float* bias_part = memory + kUpdateStageFloats<kPrecision>;  // [4, 64]
  const int thread = static_cast<int>(threadIdx.x);
  const bool owns_bias = k0 == 0;
  float bias_gradient = 0.0f;  // of output thread % 64, rows of one part
  GradientTile<kPrecision> gradient;
  UpdateStages<kPrecision> stages(memory, saved, layer, n0, k0, rows);
  // all but one stage are under way: copies to the last begin once its earlier rows have been read
  constexpr int kAhead = UpdateStages<kPrecision>::kStages - 1;
#pragma unroll
  for (int i = 0; i < kAhead; ++i) stages.start(i);
  if constexpr (kHasFactor) stages.load_factors(0, factor);
  for (int stage = 0; stage * kUpdateRows < rows; ++stage) {
    wait_for_copies<kAhead - 1>();
    if constexpr (kHasFactor) {
      stages.scale(stage);
      stages.load_factors(stage + 1, factor);
    }
    sync_block();
    stages.start(stage + kAhead);
    gradient.add(stages.dy(stage), stages.x(stage));
    if (owns_bias) {
      const auto* part = stages.dy(stage) +
                         thread / kUpdateOut * kUpdatePartRows * kUpdateOutPitch +
                         thread % kUpdateOut;
#pragma unroll 4
      for (int row = 0; row < kUpdatePartRows; ++row)
        bias_gradient += load_operand<kPrecision>(part + row * kUpdateOutPitch);
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

}  // namespace mbrl::gpu
