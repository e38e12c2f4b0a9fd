// Body of the tile kernels; included by one source file per instruction set, never elsewhere.
//
// Everything here has internal linkage, so that no copy compiled for AVX-512 can be linked into the
// baseline.
#include <immintrin.h>

#include "base/scalar.h"
#include "kernels/cpu/simd.h"
#include "kernels/formulas/polyak.h"

namespace mbrl {
namespace {

#if defined(__AVX512F__)
using Vec = __m512;
constexpr int kLanes = 16;
constexpr int kMaxRows = 12;  // 12 x 2 accumulators, 2 operands and a broadcast: 27 of 32 registers
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec fma_v(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
#else
using Vec = __m256;
constexpr int kLanes = 8;
constexpr int kMaxRows = 6;  // 6 x 2 accumulators, 2 operands and a broadcast: 15 of 16 registers
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline Vec broadcast(float x) { return _mm256_set1_ps(x); }
inline Vec fma_v(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
#endif

/// The scalar operand of a product: element (row, k) at p[row * stride + k] (kRows, W itself) or at
/// p[row + k * stride] (kColumns, W transposed). k runs in `blocks` runs of `length`,
/// `block_stride` apart.
enum class Order { kRows, kColumns };
struct ScalarOperand {
  const float* p;
  int stride;
  int length;
  int blocks = 1;
  std::size_t block_stride = 0;
};

/// c[r][0 .. n) = sum over k of a(r, k) b[k][0 .. n) for kRowCount rows; n = kVecs vectors of one
/// 32-wide tile. The accumulators live in registers for the whole sum.
template <int kRowCount, int kVecs, Order kOrder>
inline void micro_product(const ScalarOperand& a, const float* b, float* c, int c_stride) {
  Vec sum[kRowCount][kVecs];
#pragma GCC unroll 16
  for (int r = 0; r < kRowCount; ++r)
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) sum[r][j] = broadcast(0.0f);

  for (int block = 0; block < a.blocks; ++block) {
    // three rows share a base pointer: base, base + stride, base + 2 stride are addressing modes
    const float* base[(kRowCount + 2) / 3];
#pragma GCC unroll 16
    for (int i = 0; i < (kRowCount + 2) / 3; ++i)
      base[i] =
          a.p + block * a.block_stride + (kOrder == Order::kRows ? 3L * i * a.stride : 3L * i);
    const std::ptrdiff_t row_stride = kOrder == Order::kRows ? a.stride : 1;
    const std::ptrdiff_t k_stride = kOrder == Order::kRows ? 1 : a.stride;
    for (int k = 0; k < a.length; ++k) {
      Vec column[kVecs];
#pragma GCC unroll 2
      for (int j = 0; j < kVecs; ++j) column[j] = load(b + j * kLanes);
      b += kTileRows;
#pragma GCC unroll 16
      for (int r = 0; r < kRowCount; ++r) {
        const Vec scalar = broadcast(base[r / 3][(r % 3) * row_stride]);
#pragma GCC unroll 2
        for (int j = 0; j < kVecs; ++j) sum[r][j] = fma_v(scalar, column[j], sum[r][j]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < (kRowCount + 2) / 3; ++i) base[i] += k_stride;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRowCount; ++r)
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) store(c + r * c_stride + j * kLanes, sum[r][j]);
}

/// The last rows of a product: picks the kernel of that many rows.
template <int kRowCount, int kVecs, Order kOrder>
inline void remaining_rows(int rows, const ScalarOperand& a, const float* b, float* c,
                           int c_stride) {
  if constexpr (kRowCount > 0) {
    if (rows == kRowCount) return micro_product<kRowCount, kVecs, kOrder>(a, b, c, c_stride);
    remaining_rows<kRowCount - 1, kVecs, kOrder>(rows, a, b, c, c_stride);
  }
}

/// c[rows, width] = a b for a strip of `width` columns (16 or 32) of a tile; done(r0, r1) is called
/// when rows [r0, r1) are complete and still in cache.
template <Order kOrder, typename Done>
inline void product(int rows, int width, ScalarOperand a, const float* b, float* c, int c_stride,
                    Done done) {
  const float* first = a.p;
  const std::ptrdiff_t row_step = kOrder == Order::kRows ? a.stride : 1;
  for (int r = 0; r < rows; r += kMaxRows) {
    const int count = rows - r < kMaxRows ? rows - r : kMaxRows;
    a.p = first + r * row_step;
    int column = 0;
    for (; column + 2 * kLanes <= width; column += 2 * kLanes)
      remaining_rows<kMaxRows, 2, kOrder>(count, a, b + column, c + r * c_stride + column,
                                          c_stride);
    for (; column < width; column += kLanes)
      remaining_rows<kMaxRows, 1, kOrder>(count, a, b + column, c + r * c_stride + column,
                                          c_stride);
    done(r, r + count);
  }
}

template <int kWidth>
void dense_lanes(const DenseTile& t) {
  const ScalarOperand a{t.weight, t.pitch, t.in};
  product<Order::kRows>(t.out, kWidth, a, t.x, t.y, kTileRows, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      float* y = t.y + r * kTileRows;
      const float bias = t.bias[r];
      switch (t.activation) {
        case Activation::kNone:
          for (int i = 0; i < kWidth; ++i) y[i] += bias;
          break;
        case Activation::kRelu:
          for (int i = 0; i < kWidth; ++i) y[i] = max_f(0.0f, y[i] + bias);
          break;
        case Activation::kTanh:
          for (int i = 0; i < kWidth; ++i) y[i] = tanh_f(y[i] + bias);
          break;
        case Activation::kSwish:
          if (t.derivative == nullptr) {
            for (int i = 0; i < kWidth; ++i) y[i] = swish_f(y[i] + bias);
          } else {
            float* derivative = t.derivative + r * kTileRows;
            for (int i = 0; i < kWidth; ++i) {
              const float z = y[i] + bias;
              y[i] = swish_f(z);
              derivative[i] = swish_gradient_f(z);
            }
          }
          break;
      }
    }
  });
}

void dense(const DenseTile& t) {
  t.lanes == kTileRows ? dense_lanes<kTileRows>(t) : dense_lanes<kTileRows / 2>(t);
}

template <int kWidth>
void dense_backward_lanes(const DenseBackwardTile& t) {
  // rows of W^T dy on the way to dx, which may be the memory of the gate
  alignas(64) float rows[kMaxRows * kTileRows];
  for (int r = 0; r < t.in; r += kMaxRows) {
    const int num_rows = t.in - r < kMaxRows ? t.in - r : kMaxRows;
    const ScalarOperand a{t.weight + r, t.pitch, t.out};
    product<Order::kColumns>(num_rows, kWidth, a, t.dy, rows, kTileRows, [](int, int) {});
    for (int j = 0; j < num_rows; ++j) {
      const int at = (r + j) * kTileRows;
      const float* row = rows + j * kTileRows;
      float* dx = t.dx + at;
      const float* gate = t.gate + (t.gate == nullptr ? 0 : at);
      switch (t.activation) {
        case Activation::kNone:
          for (int i = 0; i < kWidth; ++i) dx[i] = row[i];
          break;
        case Activation::kRelu:
          for (int i = 0; i < kWidth; ++i) dx[i] = gate[i] > 0.0f ? row[i] : 0.0f;
          break;
        case Activation::kTanh:
          for (int i = 0; i < kWidth; ++i) dx[i] = row[i] * (1.0f - gate[i] * gate[i]);
          break;
        case Activation::kSwish:
          for (int i = 0; i < kWidth; ++i) dx[i] = row[i] * gate[i];
          break;
      }
    }
  }
}

void dense_backward(const DenseBackwardTile& t) {
  t.lanes == kTileRows ? dense_backward_lanes<kTileRows>(t)
                       : dense_backward_lanes<kTileRows / 2>(t);
}

/// Transposes an 8 x 8 block.
inline void transpose8(const float* source, int source_stride, float* out, int out_stride) {
  __m256 r[8], s[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(source + i * source_stride);
  for (int i = 0; i < 4; ++i) {
    s[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    s[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    r[4 * i] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0x44);
    r[4 * i + 1] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0xEE);
    r[4 * i + 2] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0x44);
    r[4 * i + 3] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

/// The optimizer on `count` consecutive parameters.
inline void apply_update(const WeightUpdate& u, std::size_t offset, const float* gradient,
                         int count, float decay) {
  if (u.gradient != nullptr) {
    for (int i = 0; i < count; ++i) u.gradient[offset + i] = gradient[i];
    return;
  }
  float* w = u.weight + offset;
  float* m = u.m + offset;
  float* v = u.v + offset;
  const AdamStep adam = u.adam;
#pragma GCC ivdep
  for (int i = 0; i < count; ++i)
    adam_update(w[i], m[i], v[i], fma_f(decay, w[i], gradient[i]), adam);
  if (u.target == nullptr) return;
  float* target = u.target + offset;
#pragma GCC ivdep
  for (int i = 0; i < count; ++i) target[i] = polyak(target[i], w[i], u.tau);
}

void update_weights(const WeightGradientBlock& g, float* scratch) {
  for (int column = g.column_begin; column < g.column_end; column += kTileRows) {
    const int width = g.column_end - column < kTileRows ? g.column_end - column : kTileRows;

    // x of these columns with rows of the batch first: [num_tiles * 32, 32]
    for (int tile = 0; tile < g.num_tiles; ++tile) {
      const float* x = g.x + tile * g.x_stride + static_cast<std::size_t>(column) * kTileRows;
      float* panel = scratch + tile * kTileRows * kTileRows;
      for (int i = 0; i < width; i += 8)
        for (int j = 0; j < kTileRows; j += 8)
          transpose8(x + i * kTileRows + j, kTileRows, panel + j * kTileRows + i, kTileRows);
    }

    // dW rows while the accumulators are warm, then Adam on them
    alignas(64) float gradient[kMaxRows * kTileRows];
    const ScalarOperand a{g.dy, kTileRows, kTileRows, g.num_tiles, g.dy_stride};
    for (int r = 0; r < g.out; r += kMaxRows) {
      const int count = g.out - r < kMaxRows ? g.out - r : kMaxRows;
      // the moments come from far away; the product below takes longer than they do
      for (int i = 0; i < count && g.update.gradient == nullptr; ++i) {
        const std::size_t at = static_cast<std::size_t>(r + i) * g.pitch + column;
        for (int line = 0; line < width; line += 16) {
          __builtin_prefetch(g.update.weight + at + line, 1);
          __builtin_prefetch(g.update.m + at + line, 1);
          __builtin_prefetch(g.update.v + at + line, 1);
          if (g.update.target != nullptr) __builtin_prefetch(g.update.target + at + line, 1);
        }
      }
      ScalarOperand rows = a;
      rows.p = g.dy + r * kTileRows;
      product<Order::kRows>(count, width, rows, scratch, gradient, kTileRows, [](int, int) {});
      for (int i = 0; i < count; ++i)
        apply_update(g.update, static_cast<std::size_t>(r + i) * g.pitch + column,
                     gradient + i * kTileRows, width, g.update.decay);
    }
  }
}

void update_bias(const BiasGradient& g) {
  // sixteen partial sums whatever the vector width, so that all instruction sets agree to the bit;
  // sixteen outputs at a time, so that the optimizer has whole vectors
  constexpr int kBlock = 16;
  for (int r = 0; r < g.out; r += kBlock) {
    const int count = g.out - r < kBlock ? g.out - r : kBlock;
    alignas(64) float sums[kBlock * kBlock] = {};  // [output, partial sum]
    for (int i = 0; i < count; ++i) {
      Vec sum[kBlock / kLanes];
      for (Vec& part : sum) part = broadcast(0.0f);
      for (int tile = 0; tile < g.num_tiles; ++tile) {
        const float* dy = g.dy + tile * g.tile_stride + (r + i) * kTileRows;
        for (int j = 0; j < kTileRows; j += kLanes) {
          Vec& part = sum[j % kBlock / kLanes];
          part = part + load(dy + j);
        }
      }
      for (int j = 0; j < kBlock / kLanes; ++j) store(sums + i * kBlock + j * kLanes, sum[j]);
    }
    alignas(64) float by_part[kBlock * kBlock];
    for (int i = 0; i < kBlock; i += 8)
      for (int j = 0; j < kBlock; j += 8)
        transpose8(sums + i * kBlock + j, kBlock, by_part + j * kBlock + i, kBlock);
    alignas(64) float gradient[kBlock] = {};
    for (int part = 0; part < kBlock; ++part)
      for (int i = 0; i < kBlock; ++i) gradient[i] += by_part[part * kBlock + i];
    apply_update(g.update, static_cast<std::size_t>(r), gradient, count, 0.0f);
  }
}

float multiply_add(int rounds) {
  Vec sum[kPeakChains];
#pragma GCC unroll 16
  for (int i = 0; i < kPeakChains; ++i) sum[i] = broadcast(static_cast<float>(i));
  Vec factor = broadcast(0.5f), term = broadcast(1.0f);
  for (int round = 0; round < rounds; ++round) {
    // known to nobody, so that no round can be computed ahead
    asm volatile("" : "+v"(factor), "+v"(term));
#pragma GCC unroll 16
    for (int i = 0; i < kPeakChains; ++i) sum[i] = fma_v(sum[i], factor, term);
  }
  Vec total = sum[0];
  for (int i = 1; i < kPeakChains; ++i) total = total + sum[i];
  alignas(64) float lanes[kLanes];
  store(lanes, total);
  return lanes[0];
}

}  // namespace
}  // namespace mbrl
