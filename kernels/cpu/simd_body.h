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
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec fma_v(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
#else
using Vec = __m256;
constexpr int kLanes = 8;
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline Vec broadcast(float x) { return _mm256_set1_ps(x); }
inline Vec fma_v(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
#endif

// Formats of operands. Each names its elements, how many summed terms one holds, and how vectors of
// them are read and multiplied; sums are vectors of floats. kMaxRows: rows of a product at a time,
// as many as registers hold, and even.

struct Fp32 {
  using Element = float;
  static constexpr int kTerms = 1;
  // AVX-512: 12 x 2 sums, 2 operands and a broadcast, 27 of 32 registers; AVX2: 15 of 16
  static constexpr int kMaxRows = kLanes == 16 ? 12 : 6;
  using Operand = Vec;
  static Operand read(const float* p) { return load(p); }
  static Operand repeat(float x) { return broadcast(x); }
  static Vec add_product(Operand a, Operand b, Vec sum) { return fma_v(a, b, sum); }
};

#if defined(__AVX512BF16__)
struct Avx512Bf16 {
  using Element = Bf16Pair;
  static constexpr int kTerms = 2;
  static constexpr int kMaxRows = Fp32::kMaxRows;
  using Operand = __m512bh;
  static Operand read(const Bf16Pair* p) {
    return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p));
  }
  static Operand repeat(Bf16Pair x) {
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(x)));
  }
  static Vec add_product(Operand a, Operand b, Vec sum) { return _mm512_dpbf16_ps(sum, a, b); }
};
#elif !defined(__AVX512F__)
// Intel's definition of VDPBF16PS, word for word: two fused multiply-adds, each rounded to nearest
// even, the odd numbers first; denormals are zero because threads of a pool flush them.
struct PortableBf16 {
  using Element = Bf16Pair;
  static constexpr int kTerms = 2;
  static constexpr int kMaxRows = 4;  // 4 x 2 sums, 2 x 2 operands and a broadcast, 14 of 16
  struct Operand {
    Vec odd, even;
  };
  static Operand split(__m256i pairs) {
    return {_mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536))),
            _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16))};
  }
  static Operand read(const Bf16Pair* p) {
    return split(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Operand repeat(Bf16Pair x) { return split(_mm256_set1_epi32(static_cast<int>(x))); }
  static Vec add_product(Operand a, Operand b, Vec sum) {
    return fma_v(a.even, b.even, fma_v(a.odd, b.odd, sum));
  }
};
#endif

/// Elements that hold `terms` of a sum.
template <typename Format>
constexpr int elements(int terms) {
  return (terms + Format::kTerms - 1) / Format::kTerms;
}

/// The scalar operand of a product: element (row, k) at p[row * stride + k] (kRows, W itself) or at
/// p[row + k * stride] (kColumns, W transposed). k runs in `blocks` runs of `length`,
/// `block_stride` apart.
enum class Order { kRows, kColumns };
template <typename T>
struct ScalarOperand {
  const T* p;
  int stride;
  int length;
  int blocks = 1;
  std::size_t block_stride = 0;
};

/// c[r][0 .. n) = sum over k of a(r, k) b[k][0 .. n) for kRowCount rows; n = kVecs vectors of one
/// 32-wide tile. The accumulators live in registers for the whole sum.
template <typename Format, int kRowCount, int kVecs, Order kOrder>
inline void micro_product(const ScalarOperand<typename Format::Element>& a,
                          const typename Format::Element* b, float* c, int c_stride) {
  Vec sum[kRowCount][kVecs];
#pragma GCC unroll 16
  for (int r = 0; r < kRowCount; ++r)
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) sum[r][j] = broadcast(0.0f);

  for (int block = 0; block < a.blocks; ++block) {
    // three rows share a base pointer: base, base + stride, base + 2 stride are addressing modes
    const typename Format::Element* base[(kRowCount + 2) / 3];
#pragma GCC unroll 16
    for (int i = 0; i < (kRowCount + 2) / 3; ++i)
      base[i] =
          a.p + block * a.block_stride + (kOrder == Order::kRows ? 3L * i * a.stride : 3L * i);
    const std::ptrdiff_t row_stride = kOrder == Order::kRows ? a.stride : 1;
    const std::ptrdiff_t k_stride = kOrder == Order::kRows ? 1 : a.stride;
    for (int k = 0; k < a.length; ++k) {
      typename Format::Operand column[kVecs];
#pragma GCC unroll 2
      for (int j = 0; j < kVecs; ++j) column[j] = Format::read(b + j * kLanes);
      b += kTileRows;
#pragma GCC unroll 16
      for (int r = 0; r < kRowCount; ++r) {
        const auto scalar = Format::repeat(base[r / 3][(r % 3) * row_stride]);
#pragma GCC unroll 2
        for (int j = 0; j < kVecs; ++j)
          sum[r][j] = Format::add_product(scalar, column[j], sum[r][j]);
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
template <typename Format, int kRowCount, int kVecs, Order kOrder>
inline void remaining_rows(int rows, const ScalarOperand<typename Format::Element>& a,
                           const typename Format::Element* b, float* c, int c_stride) {
  if constexpr (kRowCount > 0) {
    if (rows == kRowCount)
      return micro_product<Format, kRowCount, kVecs, kOrder>(a, b, c, c_stride);
    remaining_rows<Format, kRowCount - 1, kVecs, kOrder>(rows, a, b, c, c_stride);
  }
}

/// c[rows, width] = a b for a strip of `width` columns (16 or 32) of a tile; done(r0, r1) is called
/// when rows [r0, r1) are complete and still in cache.
template <typename Format, Order kOrder, typename Done>
inline void product(int rows, int width, ScalarOperand<typename Format::Element> a,
                    const typename Format::Element* b, float* c, int c_stride, Done done) {
  constexpr int kMaxRows = Format::kMaxRows;
  const auto* first = a.p;
  const std::ptrdiff_t row_step = kOrder == Order::kRows ? a.stride : 1;
  for (int r = 0; r < rows; r += kMaxRows) {
    const int count = rows - r < kMaxRows ? rows - r : kMaxRows;
    a.p = first + r * row_step;
    int column = 0;
    for (; column + 2 * kLanes <= width; column += 2 * kLanes)
      remaining_rows<Format, kMaxRows, 2, kOrder>(count, a, b + column, c + r * c_stride + column,
                                                  c_stride);
    for (; column < width; column += kLanes)
      remaining_rows<Format, kMaxRows, 1, kOrder>(count, a, b + column, c + r * c_stride + column,
                                                  c_stride);
    done(r, r + count);
  }
}

template <typename Format, int kWidth>
void dense_lanes(const BasicDenseTile<typename Format::Element>& t) {
  const ScalarOperand<typename Format::Element> a{t.weight, t.pitch, elements<Format>(t.in)};
  product<Format, Order::kRows>(t.out, kWidth, a, t.x, t.y, kTileRows, [&](int begin, int end) {
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

template <typename Format>
void dense(const BasicDenseTile<typename Format::Element>& t) {
  t.lanes == kTileRows ? dense_lanes<Format, kTileRows>(t) : dense_lanes<Format, kTileRows / 2>(t);
}

template <typename Format, int kWidth>
void dense_backward_lanes(const BasicDenseBackwardTile<typename Format::Element>& t) {
  constexpr int kMaxRows = Format::kMaxRows;
  // rows of W^T dy on the way to dx, which may be the memory of the gate
  alignas(64) float rows[kMaxRows * kTileRows];
  for (int r = 0; r < t.in; r += kMaxRows) {
    const int num_rows = t.in - r < kMaxRows ? t.in - r : kMaxRows;
    const ScalarOperand<typename Format::Element> a{t.weight + r, t.pitch, elements<Format>(t.out)};
    product<Format, Order::kColumns>(num_rows, kWidth, a, t.dy, rows, kTileRows, [](int, int) {});
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

template <typename Format>
void dense_backward(const BasicDenseBackwardTile<typename Format::Element>& t) {
  t.lanes == kTileRows ? dense_backward_lanes<Format, kTileRows>(t)
                       : dense_backward_lanes<Format, kTileRows / 2>(t);
}

[[maybe_unused]] void pair_features(const float* x, int features, Bf16Pair* pairs) {
  int i = 0;
  for (; i + 1 < features; i += 2, pairs += kTileRows, x += 2 * kTileRows)
    for (int lane = 0; lane < kTileRows; ++lane)
      pairs[lane] = bf16_pair(x[lane], x[kTileRows + lane]);
  if (i < features)
    for (int lane = 0; lane < kTileRows; ++lane) pairs[lane] = bf16_pair(x[lane], 0.0f);
}

[[maybe_unused]] void pair_lanes(const float* x, int features, Bf16Pair* pairs) {
  bf16_pairs(x, static_cast<std::size_t>(features) * kTileRows / 2, pairs);
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

/// The copies that later passes read, of rows [row, row + count) and columns [column, column +
/// width): row and the widths are even.
inline void copy_to_bf16(const WeightUpdate& u, int out, int pitch, int row, int count, int column,
                         int width) {
  for (int r = row; r < row + count; ++r) {
    const std::size_t at = static_cast<std::size_t>(r) * pitch + column;
    bf16_pairs(u.weight + at, static_cast<std::size_t>(width) / 2, u.by_inputs + at / 2);
    if (u.target_by_inputs != nullptr)
      bf16_pairs(u.target + at, static_cast<std::size_t>(width) / 2, u.target_by_inputs + at / 2);
  }
  for (int r = row; r < row + count; r += 2) {
    const float* first = u.weight + static_cast<std::size_t>(r) * pitch + column;
    const float* second = first + pitch;
    Bf16Pair* pairs = u.by_outputs + static_cast<std::size_t>(r / 2) * pitch + column;
    if (r + 1 < out) {
      for (int i = 0; i < width; ++i) pairs[i] = bf16_pair(first[i], second[i]);
    } else {
      for (int i = 0; i < width; ++i) pairs[i] = bf16_pair(first[i], 0.0f);
    }
  }
}

/// x [width, 32] with lanes first, a panel [32, 32]; in pairs of lanes [16, 32].
inline void transpose_tile(const float* x, int width, float* panel) {
  for (int i = 0; i < width; i += 8)
    for (int j = 0; j < kTileRows; j += 8)
      transpose8(x + i * kTileRows + j, kTileRows, panel + j * kTileRows + i, kTileRows);
}
inline void transpose_tile(const float* x, int width, Bf16Pair* panel) {
  constexpr int kPairs = kTileRows / 2;
  alignas(64) Bf16Pair pairs[kTileRows * kPairs];
  pair_lanes(x, width, pairs);
  // moved as floats, never computed with
  for (int i = 0; i < width; i += 8)
    for (int j = 0; j < kPairs; j += 8)
      transpose8(reinterpret_cast<const float*>(pairs + i * kPairs + j), kPairs,
                 reinterpret_cast<float*>(panel + j * kTileRows + i), kTileRows);
}

template <typename Format>
void update_weights(const BasicWeightGradientBlock<typename Format::Element>& g,
                    typename Format::Element* scratch) {
  constexpr int kMaxRows = Format::kMaxRows;
  constexpr int kTileElements = kTileRows / Format::kTerms;  // of one feature in a tile
  for (int column = g.column_begin; column < g.column_end; column += kTileRows) {
    const int width = g.column_end - column < kTileRows ? g.column_end - column : kTileRows;

    // x of these columns with rows of the batch first
    for (int tile = 0; tile < g.num_tiles; ++tile)
      transpose_tile(g.x + tile * g.x_stride + static_cast<std::size_t>(column) * kTileRows, width,
                     scratch + tile * kTileElements * kTileRows);

    // dW rows while the accumulators are warm, then Adam on them
    alignas(64) float gradient[kMaxRows * kTileRows];
    const ScalarOperand<typename Format::Element> a{g.dy, kTileElements, kTileElements, g.num_tiles,
                                                    g.dy_stride};
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
      auto rows = a;
      rows.p = g.dy + r * kTileElements;
      product<Format, Order::kRows>(count, width, rows, scratch, gradient, kTileRows,
                                    [](int, int) {});
      for (int i = 0; i < count; ++i)
        apply_update(g.update, static_cast<std::size_t>(r + i) * g.pitch + column,
                     gradient + i * kTileRows, width, g.update.decay);
      if (g.update.by_inputs != nullptr)
        copy_to_bf16(g.update, g.out, g.pitch, r, count, column, width);
    }
  }
}

[[maybe_unused]] void update_bias(const BiasGradient& g) {
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

template <typename Format>
float multiply_add(int rounds) {
  Vec sum[kPeakChains];
#pragma GCC unroll 16
  for (int i = 0; i < kPeakChains; ++i) sum[i] = broadcast(static_cast<float>(i));
  alignas(64) typename Format::Element numbers[2 * kLanes];
  for (auto& number : numbers) {
    if constexpr (Format::kTerms == 1) {
      number = 0.5f;
    } else {
      number = bf16_pair(0.5f, 0.5f);
    }
  }
  for (int round = 0; round < rounds; ++round) {
    // known to nobody, so that no round can be computed ahead
    asm volatile("" : "+m"(numbers));
    const auto factor = Format::read(numbers), term = Format::read(numbers + kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kPeakChains; ++i) sum[i] = Format::add_product(factor, term, sum[i]);
  }
  Vec total = sum[0];
#pragma GCC unroll 16
  for (int i = 1; i < kPeakChains; ++i) total = total + sum[i];
  alignas(64) float lanes[kLanes];
  store(lanes, total);
  return lanes[0];
}

template <typename Format>
constexpr ProductKernels<typename Format::Element> product_kernels(const char* name) {
  return {
      name,  dense<Format>, dense_backward<Format>, update_weights<Format>, multiply_add<Format>,
      kLanes};
}

}  // namespace
}  // namespace mbrl
