// A multilayer perceptron on a tile of rows inside one thread block: the passes GPU stages share.
//
// Activations of the tile lie in shared memory, row-major. A warp owns 32 output columns at a time
// for all rows of the tile, so it is the only reader of their weights: these go from L2 straight
// into registers, and the inner loop has no barrier. Order of additions is fixed by the shapes.
#pragma once

#include <type_traits>

#include "cuda/kernel.cuh"
#include "kernels/formulas/activation.h"
#include "kernels/gpu/device_mlp.h"

namespace mbrl::gpu {

constexpr int kWarps = kBlockThreads / 32;
constexpr int kStripColumns = 32;

__device__ __forceinline__ float4 load4(const float* p) {
  return *reinterpret_cast<const float4*>(p);
}
/// Four 16-bit weights, two to a word.
__device__ __forceinline__ uint2 load4(const std::uint16_t* p) {
  return *reinterpret_cast<const uint2*>(p);
}

/// How the fused kernels read weights: as the matrix unit takes them where that is 16 bits wide,
/// half the traffic; sums, biases and the optimizer stay in fp32.
template <Precision kPrecision>
constexpr bool kHalfWeights = kPrecision == Precision::kFp16 || kPrecision == Precision::kBf16;
template <Precision kPrecision>
using StoredWeight = std::conditional_t<kHalfWeights<kPrecision>, std::uint16_t, float>;

/// One value in the 16-bit format kPrecision.
template <Precision kPrecision>
__device__ __forceinline__ std::uint16_t to_16_bits(float x) {
  return static_cast<std::uint16_t>(
      (kPrecision == Precision::kFp16 ? pack_f16(x, 0.0f) : pack_bf16(x, 0.0f)) & 0xffffu);
}

/// A network's parameters: fp32 for the biases, weights as float or std::uint16_t at equal offsets.
template <typename Weight>
struct Parameters {
  const float* value;
  const Weight* weight;
};

/// As StoredWeight says, given an array and its 16-bit copy, null where there is none.
template <Precision kPrecision>
__device__ __forceinline__ Parameters<StoredWeight<kPrecision>> stored(const float* value,
                                                                       const std::uint16_t* half) {
  if constexpr (kHalfWeights<kPrecision>) {
    return {value, half};
  } else {
    return {value, value};
  }
}

/// 32 columns of a product for kRows rows, in the registers of one warp: 32 lanes with kRows values
/// each. Which lane holds which element differs between the two products.
template <Precision kPrecision, int kRows>
struct Strip;

// fp32 on the CUDA cores. Lane (r, c) = (lane / 8, lane % 8) holds rows r, r + 4, ... of 4 columns.
template <int kRows>
struct Strip<Precision::kFp32, kRows> {
  static_assert(kRows % 4 == 0);
  float value[kRows];

  /// Columns [first, first + 32) of x W^T; depth is a multiple of 16, W has `out` rows.
  __device__ __forceinline__ void multiply_transposed(const float* x, int x_pitch,
                                                      const float* weight, int pitch, int first,
                                                      int out, int depth) {
    const int r = lane() / 8, c = lane() % 8;
    const float* w[4];
#pragma unroll
    for (int j = 0; j < 4; ++j)
      w[j] = weight + static_cast<std::size_t>(min_i(first + c + 8 * j, out - 1)) * pitch;
    clear();
    float4 next[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) next[j] = load4(w[j]);
    for (int k = 0; k < depth; k += 4) {
      // the loads of the next step are in flight during this one
      float4 now[4];
      const int ahead = k + 4 < depth ? k + 4 : k;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        now[j] = next[j];
        next[j] = load4(w[j] + ahead);
      }
#pragma unroll
      for (int i = 0; i < kRows / 4; ++i) {
        const float4 xv = load4(x + (r + 4 * i) * x_pitch + k);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          float& v = value[i * 4 + j];
          v = fma_f(xv.x, now[j].x, v);
          v = fma_f(xv.y, now[j].y, v);
          v = fma_f(xv.z, now[j].z, v);
          v = fma_f(xv.w, now[j].w, v);
        }
      }
    }
  }

  /// Columns [first, first + 32) of dy W; depth covers the `out` rows of W and is a multiple of 16,
  /// dy is zero after them. Columns end at `pitch`.
  __device__ __forceinline__ void multiply(const float* dy, int dy_pitch, const float* weight,
                                           int pitch, int first, int out, int depth) {
    const int r = lane() / 8, c = lane() % 8;
    const float* w = weight + min_i(first + 4 * c, pitch - 4);
    const auto row = [&](int n) {
      return load4(w + static_cast<std::size_t>(min_i(n, out - 1)) * pitch);
    };
    clear();
    float4 next[4];
#pragma unroll
    for (int q = 0; q < 4; ++q) next[q] = row(q);
    for (int n = 0; n < depth; n += 4) {
      float4 now[4];
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        now[q] = next[q];
        next[q] = row(n + 4 + q);
      }
#pragma unroll
      for (int i = 0; i < kRows / 4; ++i) {
        const float4 d = load4(dy + (r + 4 * i) * dy_pitch + n);
        add(i, d.x, now[0]);
        add(i, d.y, now[1]);
        add(i, d.z, now[2]);
        add(i, d.w, now[3]);
      }
    }
  }

  /// f(row, column, value) for every element of this lane; the column counts from `first`.
  template <bool kTransposed, typename F>
  __device__ __forceinline__ void each(F f) const {
    const int r = lane() / 8, c = lane() % 8;
#pragma unroll
    for (int i = 0; i < kRows / 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j)
        f(r + 4 * i, kTransposed ? c + 8 * j : 4 * c + j, value[i * 4 + j]);
  }

 private:
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int min_i(int a, int b) { return a < b ? a : b; }
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kRows; ++i) value[i] = 0.0f;
  }
  __device__ __forceinline__ void add(int i, float d, const float4& w) {
    value[i * 4 + 0] = fma_f(d, w.x, value[i * 4 + 0]);
    value[i * 4 + 1] = fma_f(d, w.y, value[i * 4 + 1]);
    value[i * 4 + 2] = fma_f(d, w.z, value[i * 4 + 2]);
    value[i * 4 + 3] = fma_f(d, w.w, value[i * 4 + 3]);
  }
};

// Tensor cores. Tiles of 16 rows and 8 columns. The order of the summed index within a step of 16
// is free as long as both operands agree on it: lane (g, t) takes 4t .. 4t + 3, so that each
// operand is one 16-byte load.
template <Precision kPrecision, int kRows>
struct Strip {
  static_assert(kRows % 16 == 0);
  float value[kRows / 16][4][4];  // row tile, column tile, fragment

  template <typename Weight>
  __device__ __forceinline__ void multiply_transposed(const float* x, int x_pitch,
                                                      const Weight* weight, int pitch, int first,
                                                      int out, int depth) {
    using Quad = decltype(load4(weight));
    const int g = lane() / 4, t = lane() % 4;
    const Weight* w[4];
#pragma unroll
    for (int j = 0; j < 4; ++j)
      w[j] = weight + static_cast<std::size_t>(min_i(first + 8 * j + g, out - 1)) * pitch + 4 * t;
    clear();
    Quad next[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) next[j] = load4(w[j]);
    for (int k = 0; k < depth; k += 16) {
      Quad now[4];
      const int ahead = k + 16 < depth ? k + 16 : k;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        now[j] = next[j];
        next[j] = load4(w[j] + ahead);
      }
      step(x + g * x_pitch + k + 4 * t, x_pitch, now);
    }
  }

  template <typename Weight>
  __device__ __forceinline__ void multiply(const float* dy, int dy_pitch, const Weight* weight,
                                           int pitch, int first, int out, int depth) {
    using Quad = decltype(load4(weight));
    const int g = lane() / 4, t = lane() % 4;
    // column 4 g + j belongs to column tile j: one load serves all four
    const Weight* w = weight + min_i(first + 4 * g, pitch - 4);
    const auto row = [&](int n) {
      return load4(w + static_cast<std::size_t>(min_i(n, out - 1)) * pitch);
    };
    clear();
    Quad next[4];
#pragma unroll
    for (int q = 0; q < 4; ++q) next[q] = row(4 * t + q);
    for (int n = 0; n < depth; n += 16) {
      Quad now[4];
      transpose(now, next);
#pragma unroll
      for (int q = 0; q < 4; ++q) next[q] = row(n + 16 + 4 * t + q);
      step(dy + g * dy_pitch + n + 4 * t, dy_pitch, now);
    }
  }

  template <bool kTransposed, typename F>
  __device__ __forceinline__ void each(F f) const {
    const int g = lane() / 4, t = lane() % 4;
#pragma unroll
    for (int m = 0; m < kRows / 16; ++m)
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          const int column = 2 * t + c % 2;
          f(16 * m + g + 8 * (c / 2), kTransposed ? 8 * j + column : 4 * column + j,
            value[m][j][c]);
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
  static __device__ __forceinline__ std::uint32_t pack(float low, float high) {
    return kPrecision == Precision::kFp16 ? pack_f16(low, high) : pack_bf16(low, high);
  }

  // from rows of W to columns of W
  static __device__ __forceinline__ void transpose(float4 (&column)[4], const float4 (&row)[4]) {
    column[0] = make_float4(row[0].x, row[1].x, row[2].x, row[3].x);
    column[1] = make_float4(row[0].y, row[1].y, row[2].y, row[3].y);
    column[2] = make_float4(row[0].z, row[1].z, row[2].z, row[3].z);
    column[3] = make_float4(row[0].w, row[1].w, row[2].w, row[3].w);
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

  // four weights as two words of the 16-bit format
  static __device__ __forceinline__ uint2 packed(const float4& w) {
    return {pack(w.x, w.y), pack(w.z, w.w)};
  }
  static __device__ __forceinline__ uint2 packed(const uint2& w) { return w; }

  // 16 of the summed index; w holds 4 of them for each column tile, x points at this lane's 4
  template <typename Quad>
  __device__ __forceinline__ void step(const float* x, int x_pitch, const Quad (&w)[4]) {
    if constexpr (kPrecision == Precision::kTf32) {
      std::uint32_t b[4][4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        b[j][0] = to_tf32(w[j].x);
        b[j][1] = to_tf32(w[j].y);
        b[j][2] = to_tf32(w[j].z);
        b[j][3] = to_tf32(w[j].w);
      }
#pragma unroll
      for (int m = 0; m < kRows / 16; ++m) {
        const float4 x0 = load4(x + 16 * m * x_pitch), x1 = load4(x + (16 * m + 8) * x_pitch);
        const std::uint32_t first[4] = {to_tf32(x0.x), to_tf32(x1.x), to_tf32(x0.y), to_tf32(x1.y)};
        const std::uint32_t second[4] = {to_tf32(x0.z), to_tf32(x1.z), to_tf32(x0.w),
                                         to_tf32(x1.w)};
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const std::uint32_t b0[2] = {b[j][0], b[j][1]}, b1[2] = {b[j][2], b[j][3]};
          mma_tf32(value[m][j], first, b0);
          mma_tf32(value[m][j], second, b1);
        }
      }
    } else {
      std::uint32_t b[4][2];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint2 words = packed(w[j]);
        b[j][0] = words.x;
        b[j][1] = words.y;
      }
#pragma unroll
      for (int m = 0; m < kRows / 16; ++m) {
        const float4 x0 = load4(x + 16 * m * x_pitch), x1 = load4(x + (16 * m + 8) * x_pitch);
        const std::uint32_t a[4] = {pack(x0.x, x0.y), pack(x1.x, x1.y), pack(x0.z, x0.w),
                                    pack(x1.z, x1.w)};
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

/// One tile of rows of one block. Two buffers in shared memory take turns as input and output.
template <Precision kPrecision, int kRows>
class BlockMlp {
 public:
  /// memory: 2 kRows pitch floats, pitch = shared_pitch of the widest layer.
  __device__ BlockMlp(float* memory, int pitch)
      : pitch_(pitch), tile_(memory), other_(memory + kRows * pitch) {}

  /// Row-major with pitch(): write the input here, find the output here.
  __device__ float* tile() { return tile_; }
  __device__ int pitch() const { return pitch_; }

  /// Columns [0, width) of tile() from value(row, column), zero from `used` on; also to `saved`
  /// [kRows, width] where given. Complete (barrier) when this returns.
  template <typename Value>
  __device__ __forceinline__ void fill(int width, int used, float* saved, Value value) {
    for (int i = static_cast<int>(threadIdx.x); i < kRows * width; i += kBlockThreads) {
      const int row = i / width, column = i % width;
      const float v = column < used ? value(row, column) : 0.0f;
      tile_[row * pitch_ + column] = v;
      if (saved != nullptr) saved[i] = v;
    }
    sync_block();
  }

  /// tile() from the network's input to its output. `saved`: where layer inputs and derivatives go
  /// for the backward pass and the update, at rows [first_row, first_row + kRows); its x[0] is the
  /// caller's. Inputs are complete (barrier) when this is called; outputs are when it returns.
  template <typename Weight>
  __device__ void forward(const MlpTable& mlp, const Parameters<Weight>& parameters,
                          Activation hidden, const Saved* saved, int first_row) {
    for (int layer = 0; layer < mlp.num_layers; ++layer) {
      const LayerLayout& l = mlp.layer[layer];
      const bool last = layer + 1 == mlp.num_layers;
      const float* x = tile_;
      float* y = other_;
      const float* bias = parameters.value + l.bias;
      const int width = padded(l.out);
      float* saved_y = nullptr;
      float* derivative = nullptr;
      if (saved != nullptr && !last) {
        saved_y = saved->x(layer + 1, first_row);
        if (hidden == Activation::kSwish) derivative = saved->dz(layer, first_row);
      }
      for (int first = warp() * kStripColumns; first < width; first += kWarps * kStripColumns) {
        Strip<kPrecision, kRows> strip;
        strip.multiply_transposed(x, pitch_, parameters.weight + l.weight, l.in_pitch, first, l.out,
                                  l.in_pitch);
        strip.template each<true>([&](int row, int column, float value) {
          column += first;
          if (column >= width) return;
          const float z = value + bias[column];
          const bool real = column < l.out;
          const float a = !real ? 0.0f : last ? z : activate(hidden, z);
          y[row * pitch_ + column] = a;
          if (saved_y != nullptr) saved_y[row * width + column] = a;
          if (derivative != nullptr)
            derivative[row * width + column] = real ? swish_gradient_f(z) : 0.0f;
        });
      }
      swap_buffers();
      sync_block();
    }
  }

  /// tile() from the gradient of the last layer's output to that of the first layer's; all but the
  /// last are stored in `saved`, whose forward pass came before. With kInput one step further, to
  /// the gradient of the network's input.
  template <bool kInput, typename Weight>
  __device__ void backward(const MlpTable& mlp, const Parameters<Weight>& parameters,
                           Activation hidden, const Saved& saved, int first_row) {
    for (int layer = mlp.num_layers - 1; layer >= (kInput ? 0 : 1); --layer) {
      const LayerLayout& l = mlp.layer[layer];
      const float* dy = tile_;
      float* dx = other_;
      const float* x = layer > 0 ? saved.x(layer, first_row) : nullptr;
      float* dz = layer > 0 ? saved.dz(layer - 1, first_row) : nullptr;
      for (int first = warp() * kStripColumns; first < l.in_pitch;
           first += kWarps * kStripColumns) {
        Strip<kPrecision, kRows> strip;
        strip.multiply(dy, pitch_, parameters.weight + l.weight, l.in_pitch, first, l.out,
                       padded(l.out));
        strip.template each<false>([&](int row, int column, float value) {
          column += first;
          if (column >= l.in_pitch) return;
          float gradient = value;
          if (layer > 0) {
            const int at = row * l.in_pitch + column;
            // relu and tanh are known by their output, swish by the derivative the forward pass
            // left
            const float gate = hidden == Activation::kRelu   ? (x[at] > 0.0f ? 1.0f : 0.0f)
                               : hidden == Activation::kTanh ? 1.0f - x[at] * x[at]
                                                             : dz[at];
            gradient *= gate;
            dz[at] = gradient;
          }
          dx[row * pitch_ + column] = gradient;
        });
      }
      swap_buffers();
      sync_block();
    }
  }

 private:
  static __device__ __forceinline__ int warp() { return static_cast<int>(threadIdx.x) / 32; }
  __device__ __forceinline__ void swap_buffers() {
    float* const input = tile_;
    tile_ = other_;
    other_ = input;
  }

  int pitch_;
  float *tile_, *other_;
};

}  // namespace mbrl::gpu
