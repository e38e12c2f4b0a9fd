// A multilayer perceptron on a tile of rows inside one thread block: the passes GPU stages share.
//
// Activations of the tile lie in shared memory, row-major, as the products take them: rounded to the
// format once, where they are stored, and in 16 bits where it has 16. A warp owns 32 output columns
// at a time for all rows of the tile, so it is the only reader of their weights: these go from L2
// straight into registers, and the inner loop has no barrier. A layer of few columns is cut along
// the summed index instead, so that it too occupies every warp; its partial sums meet in shared
// memory. Order of additions is fixed by the shapes.
#pragma once

#include <bit>
#include <type_traits>

#include "cuda/kernel.cuh"
#include "kernels/formulas/activation.h"
#include "kernels/gpu/device_mlp.h"
#include "kernels/gpu/reduce.cuh"

namespace mbrl::gpu {

constexpr int kWarps = kBlockThreads / 32;
constexpr int kStripColumns = 32;

__device__ __forceinline__ float4 load4(const float* p) {
  return *reinterpret_cast<const float4*>(p);
}
/// A float rounded to tf32: its low 13 bits are zero.
struct Tf32 {
  std::uint32_t word;
};
/// Four operands of a product: in 16 bits two to a word.
__device__ __forceinline__ uint4 load4(const Tf32* p) { return *reinterpret_cast<const uint4*>(p); }
__device__ __forceinline__ uint2 load4(const std::uint16_t* p) {
  return *reinterpret_cast<const uint2*>(p);
}

template <Precision kPrecision>
constexpr bool kIs16Bit = kPrecision == Precision::kFp16 || kPrecision == Precision::kBf16;
/// What the products of kPrecision multiply. Weights, activations and gradients are rounded once,
/// where they are stored, and lie in memory as operands; sums, biases and the optimizer stay in fp32.
template <Precision kPrecision>
using OperandOf =
    std::conditional_t<kIs16Bit<kPrecision>, std::uint16_t,
                       std::conditional_t<kPrecision == Precision::kTf32, Tf32, float>>;

/// Two values in the 16-bit format kPrecision, the first in the low half.
template <Precision kPrecision>
__device__ __forceinline__ std::uint32_t to_16_bits(float low, float high) {
  return kPrecision == Precision::kFp16 ? pack_f16(low, high) : pack_bf16(low, high);
}
/// One value in the 16-bit format kPrecision.
template <Precision kPrecision>
__device__ __forceinline__ std::uint16_t to_16_bits(float x) {
  return static_cast<std::uint16_t>(to_16_bits<kPrecision>(x, 0.0f) & 0xffffu);
}

template <Precision kPrecision>
__device__ __forceinline__ OperandOf<kPrecision> to_operand(float x) {
  if constexpr (kIs16Bit<kPrecision>) {
    return to_16_bits<kPrecision>(x);
  } else if constexpr (kPrecision == Precision::kTf32) {
    return {to_tf32(x)};
  } else {
    return x;
  }
}
/// Four, as load4() reads them.
template <Precision kPrecision>
__device__ __forceinline__ auto to_operands(const float4& x) {
  if constexpr (kIs16Bit<kPrecision>) {
    return uint2{to_16_bits<kPrecision>(x.x, x.y), to_16_bits<kPrecision>(x.z, x.w)};
  } else if constexpr (kPrecision == Precision::kTf32) {
    return uint4{to_tf32(x.x), to_tf32(x.y), to_tf32(x.z), to_tf32(x.w)};
  } else {
    return x;
  }
}
/// What to_operands() made, at a multiple of four.
template <typename Operand, typename Quad>
__device__ __forceinline__ void store_quad(Operand* to, const Quad& quad) {
  static_assert(sizeof(Quad) == 4 * sizeof(Operand));
  *reinterpret_cast<Quad*>(to) = quad;
}
template <Precision kPrecision>
__device__ __forceinline__ void store_operands(OperandOf<kPrecision>* to, const float4& x) {
  store_quad(to, to_operands<kPrecision>(x));
}
/// Two in the 16-bit format kPrecision.
template <Precision kPrecision>
__device__ __forceinline__ float2 from_16_bits(std::uint32_t pair) {
  return kPrecision == Precision::kFp16 ? unpack_f16(pair) : unpack_bf16(pair);
}
/// What store_operands() left.
template <Precision kPrecision>
__device__ __forceinline__ float4 load_operands(const OperandOf<kPrecision>* from) {
  if constexpr (kIs16Bit<kPrecision>) {
    const uint2 words = load4(from);
    const float2 low = from_16_bits<kPrecision>(words.x), high = from_16_bits<kPrecision>(words.y);
    return make_float4(low.x, low.y, high.x, high.y);
  } else {
    return *reinterpret_cast<const float4*>(from);
  }
}
/// One of them.
template <Precision kPrecision>
__device__ __forceinline__ float load_operand(const OperandOf<kPrecision>* from) {
  if constexpr (kIs16Bit<kPrecision>) {
    return from_16_bits<kPrecision>(*from).x;
  } else {
    return *reinterpret_cast<const float*>(from);
  }
}

/// A network's parameters: fp32 for the biases, weights as operands at equal offsets. Weights in
/// fp32 serve every format; the products round them then.
template <typename Weight>
struct Parameters {
  const float* value;
  const Weight* weight;
};

/// Of a network at element `at` of an array and of its rounded copy, null in fp32.
template <Precision kPrecision>
__device__ __forceinline__ Parameters<OperandOf<kPrecision>> parameters_at(const float* value,
                                                                           const void* rounded,
                                                                           std::size_t at = 0) {
  if constexpr (kPrecision == Precision::kFp32) {
    return {value + at, value + at};
  } else {
    return {value + at, static_cast<const OperandOf<kPrecision>*>(rounded) + at};
  }
}

/// What a network's passes left at `data`, an array of operands of kPrecision.
template <Precision kPrecision>
__device__ __forceinline__ Saved<OperandOf<kPrecision>> saved_at(const SavedLayout& layout,
                                                                 void* data) {
  return {layout, static_cast<OperandOf<kPrecision>*>(data)};
}

/// 32 columns of a product for kRows rows, in the registers of one warp: 32 lanes with kRows values
/// each, which store() brings in order.
template <Precision kPrecision, int kRows>
struct Strip;

/// Most rows of a strip: as many sums as registers hold.
template <Precision kPrecision>
constexpr int kMaxStripRows = kPrecision == Precision::kFp32 ? 16 : 64;

// fp32 on the CUDA cores. Lanes share out the summed index rather than rows, because a 16-byte load
// costs the load unit one cycle for every eight lanes and every line that those touch, no matter
// how many lanes want the same bytes: here no two lanes load the same weight, and eight lanes in a
// row load whole lines. In the end each lane holds all rows of one column.
template <int kRows>
struct Strip<Precision::kFp32, kRows> {
  static constexpr int kDepthStep = 32;  // of the summed index at a time
  float value[kRows];

  /// Columns [first, first + 32) of x W^T, summed over [begin, end): begin is a multiple of
  /// kDepthStep, end of 16. W has `out` rows.
  __device__ __forceinline__ void multiply_transposed(const float* x, int x_pitch,
                                                      const float* weight, int pitch, int first,
                                                      int out, int begin, int end) {
    // columns c, c + 4, ..., c + 28; of every 32 of the summed index the four from q on
    const int c = lane() / 8, q = 4 * (lane() % 8);
    int at[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) at[j] = min_i(first + c + 4 * j, out - 1) * pitch + q;
    float4 next[8];
    const auto load = [&](int k) {
#pragma unroll
      for (int j = 0; j < 8; ++j)
        next[j] = k + q < end ? load4(weight + at[j] + k) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    };
    float sum[kRows][8] = {};
    load(begin);
    for (int k = begin; k < end; k += kDepthStep) {
      // the loads of the next step are in flight during this one
      float4 now[8];
#pragma unroll
      for (int j = 0; j < 8; ++j) now[j] = next[j];
      if (k + kDepthStep < end) load(k + kDepthStep);
      // past the end the weights are zero: any finite x will do
      const float* x_at = x + (k + q < end ? k + q : begin);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const float4 v = load4(x_at + i * x_pitch);
#pragma unroll
        for (int j = 0; j < 8; ++j) {
          sum[i][j] = fma_f(v.x, now[j].x, sum[i][j]);
          sum[i][j] = fma_f(v.y, now[j].y, sum[i][j]);
          sum[i][j] = fma_f(v.z, now[j].z, sum[i][j]);
          sum[i][j] = fma_f(v.w, now[j].w, sum[i][j]);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i) value[i] = scatter_sum<8, 1>(sum[i]);
  }

  /// Columns [first, first + 32) of dy W, summed over the rows [begin, end) of W, multiples of 16
  /// both; dy is zero after the `out` rows that W has. Columns end at `pitch`.
  __device__ __forceinline__ void multiply(const float* dy, int dy_pitch, const float* weight,
                                           int pitch, int first, int out, int begin, int end) {
    // columns 4 c to 4 c + 3; of every 16 of the summed index the four from s on
    const int c = lane() % 8, s = 4 * (lane() / 8);
    const float* w = weight + min_i(first + 4 * c, pitch - 4);
    // A step is short, and loads run kAhead steps before their use: as many bytes are then under way
    // as in multiply_transposed().
    constexpr int kAhead = 3;
    float4 ring[kAhead][4];
    const auto load = [&](float4(&quad)[4], int n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) quad[i] = load4(w + min_i(n + s + i, out - 1) * pitch);
    };
    float sum[kRows][4] = {};
#pragma unroll
    for (int i = 0; i < kAhead; ++i)
      if (begin + 16 * i < end) load(ring[i], begin + 16 * i);
    for (int n0 = begin; n0 < end; n0 += 16 * kAhead) {
#pragma unroll
      for (int j = 0; j < kAhead; ++j) {
        const int n = n0 + 16 * j;
        if (n >= end) break;
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
          const float4 d = load4(dy + i * dy_pitch + n + s);
          add(sum[i], d.x, ring[j][0]);
          add(sum[i], d.y, ring[j][1]);
          add(sum[i], d.z, ring[j][2]);
          add(sum[i], d.w, ring[j][3]);
        }
        if (n + 16 * kAhead < end) load(ring[j], n + 16 * kAhead);
      }
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i) value[i] = scatter_sum<4, 8>(sum[i]);
  }

  /// To out[row * pitch + column]: the column counts from `first` and ends before `columns`, a
  /// multiple of 16.
  template <bool kTransposed>
  __device__ __forceinline__ void store(float* out, int pitch, int columns) const {
    const int column = 4 * (lane() % 8) + lane() / 8;
    if (column >= columns) return;
#pragma unroll
    for (int i = 0; i < kRows; ++i) out[i * pitch + column] = value[i];
  }

 private:
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int min_i(int a, int b) { return a < b ? a : b; }
  static __device__ __forceinline__ void add(float (&sum)[4], float d, const float4& w) {
    sum[0] = fma_f(d, w.x, sum[0]);
    sum[1] = fma_f(d, w.y, sum[1]);
    sum[2] = fma_f(d, w.z, sum[2]);
    sum[3] = fma_f(d, w.w, sum[3]);
  }
};

// Tensor cores. Tiles of 16 rows and 8 columns. The order of the summed index within a step of 16
// is free as long as both operands agree on it: lane (g, t) takes 4t .. 4t + 3, so that each
// operand is one load, of 16 bytes or in 16 bits of eight.
template <Precision kPrecision, int kRows>
struct Strip {
  static_assert(kRows % 16 == 0);
  static constexpr int kDepthStep = 16;
  float value[kRows / 16][4][4];  // row tile, column tile, fragment

  template <typename Weight>
  __device__ __forceinline__ void multiply_transposed(const OperandOf<kPrecision>* x, int x_pitch,
                                                      const Weight* weight, int pitch, int first,
                                                      int out, int begin, int end) {
    const int g = lane() / 4, t = lane() % 4;
    const Weight* w[4];
#pragma unroll
    for (int j = 0; j < 4; ++j)
      w[j] = weight + static_cast<std::size_t>(min_i(first + 8 * j + g, out - 1)) * pitch + 4 * t;
    sum_over<Weight>(
        begin, end,
        [&](auto& quad, int k) {
#pragma unroll
          for (int j = 0; j < 4; ++j) quad[j] = load4(w[j] + k);
        },
        [&](const auto& quad, int k) { step(x + g * x_pitch + k + 4 * t, x_pitch, quad); });
  }

  template <typename Weight>
  __device__ __forceinline__ void multiply(const OperandOf<kPrecision>* dy, int dy_pitch,
                                           const Weight* weight, int pitch, int first, int out,
                                           int begin, int end) {
    const int g = lane() / 4, t = lane() % 4;
    // column 4 g + j belongs to column tile j: one load serves all four
    const Weight* w = weight + min_i(first + 4 * g, pitch - 4);
    sum_over<Weight>(
        begin, end,
        [&](auto& quad, int n) {
          if (n + 16 <= out) {
            const Weight* at = w + (n + 4 * t) * pitch;
#pragma unroll
            for (int q = 0; q < 4; ++q) quad[q] = load4(at + q * pitch);
          } else {  // the last rows, of which W has fewer
#pragma unroll
            for (int q = 0; q < 4; ++q) quad[q] = load4(w + min_i(n + 4 * t + q, out - 1) * pitch);
          }
        },
        [&](const auto& quad, int n) {
          std::remove_const_t<std::remove_reference_t<decltype(quad)>> columns;
          transpose(columns, quad);
          step(dy + g * dy_pitch + n + 4 * t, dy_pitch, columns);
        });
  }

  template <bool kTransposed>
  __device__ __forceinline__ void store(float* out, int pitch, int columns) const {
    const int g = lane() / 4, t = lane() % 4;
#pragma unroll
    for (int m = 0; m < kRows / 16; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float* row = out + (16 * m + g + 8 * half) * pitch;
        const float(&v)[4][4] = value[m];
        if constexpr (kTransposed) {
#pragma unroll
          for (int j = 0; j < 4; ++j)
            if (8 * j < columns)
              *reinterpret_cast<float2*>(row + 8 * j + 2 * t) =
                  make_float2(v[j][2 * half], v[j][2 * half + 1]);
        } else if (8 * t < columns) {
#pragma unroll
          for (int c = 2 * half; c < 2 * half + 2; ++c)
            *reinterpret_cast<float4*>(row + 8 * t + 4 * (c % 2)) =
                make_float4(v[0][c], v[1][c], v[2][c], v[3][c]);
        }
      }
  }

 private:
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int min_i(int a, int b) { return a < b ? a : b; }
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int m = 0; m < kRows / 16; ++m)
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int c = 0; c < 4; ++c) value[m][j][c] = 0.0f;
  }

  /// load(quads, k), then use(quads, k) for each 16 of the summed index in [begin, end). Loads run
  /// kAhead steps before their use: the products of a step take a fraction of the way to L2.
  template <typename Weight, typename Load, typename Use>
  __device__ __forceinline__ void sum_over(int begin, int end, Load load, Use use) {
    using Quad = decltype(load4(static_cast<const Weight*>(nullptr)));
    constexpr int kAhead = sizeof(Quad) == 8 ? 4 : 3;
    clear();
    Quad ring[kAhead][4];
#pragma unroll
    for (int i = 0; i < kAhead; ++i)
      if (begin + 16 * i < end) load(ring[i], begin + 16 * i);
    for (int first = begin; first < end; first += 16 * kAhead) {
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        const int k = first + 16 * i;
        if (k >= end) break;
        use(ring[i], k);
        if (k + 16 * kAhead < end) load(ring[i], k + 16 * kAhead);
      }
    }
  }

  // from rows of W to columns of W
  static __device__ __forceinline__ void transpose(float4 (&column)[4], const float4 (&row)[4]) {
    column[0] = make_float4(row[0].x, row[1].x, row[2].x, row[3].x);
    column[1] = make_float4(row[0].y, row[1].y, row[2].y, row[3].y);
    column[2] = make_float4(row[0].z, row[1].z, row[2].z, row[3].z);
    column[3] = make_float4(row[0].w, row[1].w, row[2].w, row[3].w);
  }
  static __device__ __forceinline__ void transpose(uint4 (&column)[4], const uint4 (&row)[4]) {
    column[0] = uint4{row[0].x, row[1].x, row[2].x, row[3].x};
    column[1] = uint4{row[0].y, row[1].y, row[2].y, row[3].y};
    column[2] = uint4{row[0].z, row[1].z, row[2].z, row[3].z};
    column[3] = uint4{row[0].w, row[1].w, row[2].w, row[3].w};
  }
  static __device__ __forceinline__ void transpose(uint2 (&column)[4], const uint2 (&row)[4]) {
    column[0] = {low_halves(row[0].x, row[1].x), low_halves(row[2].x, row[3].x)};
    column[1] = {high_halves(row[0].x, row[1].x), high_halves(row[2].x, row[3].x)};
    column[2] = {low_halves(row[0].y, row[1].y), low_halves(row[2].y, row[3].y)};
    column[3] = {high_halves(row[0].y, row[1].y), high_halves(row[2].y, row[3].y)};
  }
  static __device__ __forceinline__ std::uint32_t low_halves(std::uint32_t a, std::uint32_t b) {
    return (a & 0xffffu) | b << 16;
  }
  static __device__ __forceinline__ std::uint32_t high_halves(std::uint32_t a, std::uint32_t b) {
    return a >> 16 | (b & 0xffff0000u);
  }

  // four weights as operands
  static __device__ __forceinline__ auto rounded(const float4& w) {
    return to_operands<kPrecision>(w);
  }
  static __device__ __forceinline__ uint2 rounded(const uint2& w) { return w; }
  static __device__ __forceinline__ uint4 rounded(const uint4& w) { return w; }

  // 16 of the summed index; w holds 4 of them for each column tile, x points at this lane's 4
  template <typename Quad>
  __device__ __forceinline__ void step(const OperandOf<kPrecision>* x, int x_pitch,
                                       const Quad (&w)[4]) {
    if constexpr (kPrecision == Precision::kTf32) {
      uint4 b[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) b[j] = rounded(w[j]);
#pragma unroll
      for (int m = 0; m < kRows / 16; ++m) {
        const uint4 x0 = load4(x + 16 * m * x_pitch), x1 = load4(x + (16 * m + 8) * x_pitch);
        const std::uint32_t first[4] = {x0.x, x1.x, x0.y, x1.y};
        const std::uint32_t second[4] = {x0.z, x1.z, x0.w, x1.w};
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const std::uint32_t b0[2] = {b[j].x, b[j].y}, b1[2] = {b[j].z, b[j].w};
          mma_tf32(value[m][j], first, b0);
          mma_tf32(value[m][j], second, b1);
        }
      }
    } else {
      std::uint32_t b[4][2];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint2 words = rounded(w[j]);
        b[j][0] = words.x;
        b[j][1] = words.y;
      }
#pragma unroll
      for (int m = 0; m < kRows / 16; ++m) {
        const uint2 x0 = load4(x + 16 * m * x_pitch), x1 = load4(x + (16 * m + 8) * x_pitch);
        const std::uint32_t a[4] = {x0.x, x1.x, x0.y, x1.y};
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if constexpr (kPrecision == Precision::kFp16) {
            mma_f16(value[m][j], a, b[j]);
          } else {
            mma_bf16(value[m][j], a, b[j]);
          }
        }
      }
    }
  }
};

/// A hidden unit with the value z before its activation: the activation, and for swish its
/// derivative. Where products round their operands to 16 bits, swish is of that accuracy too: one
/// instruction instead of forty.
template <Precision kPrecision>
__device__ __forceinline__ float hidden_unit(Activation hidden, float z, float& derivative) {
  if (hidden != Activation::kSwish) return activate(hidden, z);
  if constexpr (!kIs16Bit<kPrecision>) {
    derivative = swish_gradient_f(z);
    return swish_f(z);
  }
  const float sigmoid = fma_f(0.5f, tanh_approx(0.5f * z), 0.5f), y = z * sigmoid;
  derivative = fma_f(y, 1.0f - sigmoid, sigmoid);
  return y;
}

__device__ __forceinline__ void store4(float* to, const float4& x) {
  *reinterpret_cast<float4*>(to) = x;
}

/// One tile of rows of one block. In shared memory lie its activations, as operands of the next
/// product, and the sums of the last one.
template <Precision kPrecision, int kRows>
class BlockMlp {
 public:
  using Value = OperandOf<kPrecision>;

  /// memory: 2 kRows pitch floats, pitch = shared_pitch of the widest layer.
  __device__ BlockMlp(float* memory, int pitch) : sums_(memory), pitch_(pitch) {}

  /// What the last pass came to, row-major with pitch(): the output of forward(), the gradient of
  /// the input of backward<true>().
  __device__ float* tile() { return narrow_ ? narrow_tile() : sums_; }
  __device__ int pitch() const { return narrow_ ? narrow_pitch() : pitch_; }

  /// Columns [0, width) of the next pass's input from value(row, column), zero from `used` on; also
  /// to `saved` [kRows, width] where given. Complete (barrier) when this returns.
  template <typename F>
  __device__ __forceinline__ void fill(int width, int used, Value* saved, F value) {
    for (int i = static_cast<int>(threadIdx.x); i < kRows * width; i += kBlockThreads) {
      const int row = i / width, column = i % width;
      const Value v = to_operand<kPrecision>(column < used ? value(row, column) : 0.0f);
      operands()[row * pitch_ + column] = v;
      if (saved != nullptr) saved[i] = v;
    }
    sync_block();
  }

  /// The next pass's input from columns [0, width) of tile(), which is lost; also to `saved`. Complete
  /// (barrier) when this is called and when it returns.
  __device__ __forceinline__ void take_tile(int width, Value* saved) {
    fill(width, width, saved, [&](int row, int column) { return tile()[row * pitch() + column]; });
  }

  /// From the network's input, which fill() wrote, to its output in tile(). `saved`: where layer
  /// inputs and derivatives go for the backward pass and the update, at rows [first_row, first_row +
  /// kRows); its x[0] is the caller's. Outputs are complete (barrier) when this returns.
  template <typename Weight>
  __device__ void forward(const MlpTable& mlp, const Parameters<Weight>& parameters,
                          Activation hidden, const Saved<Value>* saved, int first_row) {
    for (int layer = 0; layer < mlp.num_layers; ++layer) {
      const LayerLayout& l = mlp.layer[layer];
      const bool last = layer + 1 == mlp.num_layers;
      const float* bias = parameters.value + l.bias;
      const int width = padded(l.out);
      Value* saved_y = nullptr;
      Value* derivative = nullptr;
      if (saved != nullptr && !last) {
        saved_y = saved->x(layer + 1, first_row);
        if (hidden == Activation::kSwish) derivative = saved->dz(layer, first_row);
      }
      product<true>(
          parameters.weight + l.weight, l, width, l.in_pitch, last, saved_y, [&](int column) {
            return [=, b = load4(bias + column)](int row, const float4& sum) {
              float4 d = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
              const auto unit = [&](float z, float& slope, int i) {
                if (column + i >= l.out) return 0.0f;  // padding
                return last ? z : hidden_unit<kPrecision>(hidden, z, slope);
              };
              const float4 y = make_float4(unit(sum.x + b.x, d.x, 0), unit(sum.y + b.y, d.y, 1),
                                           unit(sum.z + b.z, d.z, 2), unit(sum.w + b.w, d.w, 3));
              if (derivative != nullptr) keep_derivatives(derivative + row * width + column, d);
              return y;
            };
          });
      sync_block();
    }
  }

  /// From the gradient of the last layer's output, which fill() or take_tile() wrote, to that of the
  /// first layer's; all but the last are stored in `saved`, whose forward pass came before. With
  /// kInput one step further, to the gradient of the network's input, in tile().
  template <bool kInput, typename Weight>
  __device__ void backward(const MlpTable& mlp, const Parameters<Weight>& parameters,
                           Activation hidden, const Saved<Value>& saved, int first_row) {
    for (int layer = mlp.num_layers - 1; layer >= (kInput ? 0 : 1); --layer) {
      const LayerLayout& l = mlp.layer[layer];
      const int pitch = l.in_pitch;
      const Value* x = layer > 0 ? saved.x(layer, first_row) : nullptr;
      Value* dz = layer > 0 ? saved.dz(layer - 1, first_row) : nullptr;
      // relu and tanh are known by their output, swish by the derivative that the forward pass left
      const Value* left = hidden == Activation::kSwish ? dz : x;
      const auto of_column = [&](int column) {
        return [=](int row, const float4& dy) {
          if (dz == nullptr) return dy;  // the network's input
          const int at = row * pitch + column;
          const float4 known = hidden == Activation::kSwish ? kept_derivatives(left + at)
                                                            : load_operands<kPrecision>(left + at);
          const auto gate = [&](float v) {
            return hidden == Activation::kRelu   ? (v > 0.0f ? 1.0f : 0.0f)
                   : hidden == Activation::kTanh ? 1.0f - v * v
                                                 : v;
          };
          return make_float4(dy.x * gate(known.x), dy.y * gate(known.y), dy.z * gate(known.z),
                             dy.w * gate(known.w));
        };
      };
      product<false>(parameters.weight + l.weight, l, l.in_pitch, padded(l.out), layer == 0, dz,
                     of_column);
      sync_block();
    }
  }

 private:
  static __device__ __forceinline__ int warp() { return static_cast<int>(threadIdx.x) / 32; }
  // Derivatives of swish lie between -0.1 and 1.1: where there is room for 16 bits, fp16 has three
  // more of them than bf16.
  static __device__ __forceinline__ void keep_derivatives(Value* to, const float4& x) {
    if constexpr (kIs16Bit<kPrecision>) {
      store_quad(to, uint2{pack_f16(x.x, x.y), pack_f16(x.z, x.w)});
    } else {
      *reinterpret_cast<float4*>(to) = x;
    }
  }
  static __device__ __forceinline__ float4 kept_derivatives(const Value* from) {
    if constexpr (kIs16Bit<kPrecision>) {
      const uint2 words = load4(from);
      const float2 low = unpack_f16(words.x), high = unpack_f16(words.y);
      return make_float4(low.x, low.y, high.x, high.y);
    } else {
      return *reinterpret_cast<const float4*>(from);
    }
  }

  /// f(column)(row, sums of four columns from there on) for all of operands W^T (kForward) or
  /// operands W: `columns` in a row, a multiple of four, each a sum of `depth`. The values that f
  /// returns are the next product's operands, and go to `saved` [kRows, columns] where given; where
  /// this is the `last` product they go to tile() alone. Not complete (barrier) when this returns.
  template <bool kForward, typename Weight, typename F>
  __device__ __forceinline__ void product(const Weight* weight, const LayerLayout& l, int columns,
                                          int depth, bool last, Value* saved, F f) {
    // a tile that is no multiple of the usual strip is one strip
    constexpr bool kOneStrip =
        kRows < kMaxStripRows<kPrecision> || kRows % kMaxStripRows<kPrecision> != 0;
    constexpr int kStripRows = kOneStrip ? kRows : kMaxStripRows<kPrecision>;
    constexpr int kGroups = kRows / kStripRows;
    static_assert(kRows % kStripRows == 0);
    using RowStrip = Strip<kPrecision, kStripRows>;
    const int strips = (columns + kStripColumns - 1) / kStripColumns, tasks = strips * kGroups;
    const int steps = (depth + RowStrip::kDepthStep - 1) / RowStrip::kDepthStep;
    // as many parts of a sum as there are warps, steps and room
    int splits = min_i(kWarps / tasks, min_i(steps, pitch_ / (strips * kStripColumns)));
    if (splits < 1 || (last && columns > narrow_pitch())) splits = 1;
    const int sums_pitch = splits == 1 ? pitch_ : strips * kStripColumns;
    const int part_size = kRows * sums_pitch;
    for (int first = 0; first < tasks * splits; first += kWarps) {
      const int i = first + warp();
      if (i >= tasks * splits) break;
      const int group = i % kGroups, strip = i / kGroups % strips, split = i / tasks;
      const int row0 = group * kStripRows, column0 = strip * kStripColumns;
      const int begin = split * steps / splits * RowStrip::kDepthStep;
      const int end = min_i((split + 1) * steps / splits * RowStrip::kDepthStep, depth);
      const Value* rows = operands() + row0 * pitch_;
      RowStrip sum;
      if constexpr (kForward) {
        sum.multiply_transposed(rows, pitch_, weight, l.in_pitch, column0, l.out, begin, end);
      } else {
        sum.multiply(rows, pitch_, weight, l.in_pitch, column0, l.out, begin, end);
      }
      sum.template store<kForward>(sums_ + split * part_size + row0 * sums_pitch + column0,
                                   sums_pitch, columns - column0);
    }
    sync_block();
    // whole sums make way for what becomes of them; parts are still read by others
    if (last) narrow_ = splits > 1;
    // a thread keeps its columns and goes down the rows
    int shift = 0;  // a power of two of threads to a row
    while ((4 << shift) < columns && (2 << shift) <= kBlockThreads) ++shift;
    const int thread = static_cast<int>(threadIdx.x);
    for (int column = thread % (1 << shift) * 4; column < columns; column += 4 << shift) {
      const auto of_row = f(column);
#pragma unroll 4
      for (int row = thread >> shift; row < kRows; row += kBlockThreads >> shift) {
        const float* part = sums_ + row * sums_pitch + column;
        float4 sum = load4(part);
#pragma unroll 1
        for (int split = 1; split < splits; ++split) {
          const float4 other = load4(part + split * part_size);
          sum = make_float4(sum.x + other.x, sum.y + other.y, sum.z + other.z, sum.w + other.w);
        }
        const float4 y = of_row(row, sum);
        if (last) {
          store4(tile() + row * pitch() + column, y);
        } else {
          const auto quad = to_operands<kPrecision>(y);
          store_quad(operands() + row * pitch_ + column, quad);
          if (saved != nullptr) store_quad(saved + row * columns + column, quad);
        }
      }
    }
  }

  // [kRows, pitch]
  __device__ __forceinline__ Value* operands() const {
    return reinterpret_cast<Value*>(sums_ + kRows * pitch_);
  }
  // where outputs go while the parts of their sums are still read: where the operands are, or in 16
  // bits behind them, so that take_tile() may write operands while it reads
  __device__ __forceinline__ float* narrow_tile() const {
    return sums_ + kRows * pitch_ + (kIs16Bit<kPrecision> ? kRows * pitch_ / 2 : 0);
  }
  __device__ __forceinline__ int narrow_pitch() const {
    return kIs16Bit<kPrecision> ? pitch_ / 2 : pitch_;
  }
  static __device__ __forceinline__ int min_i(int a, int b) { return a < b ? a : b; }

  float* sums_;  // [kRows, pitch], or parts of sums [parts][kRows, columns]
  int pitch_;
  bool narrow_ = false;  // whether tile() is narrow_tile()
};

}  // namespace mbrl::gpu
