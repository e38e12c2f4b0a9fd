// Body of the tile kernels; included by one source file per instruction set, never elsewhere.
//
// Everything here has internal linkage, so that no copy compiled for AVX-512 can be linked into the
// baseline.
#include <immintrin.h>

#include <cstring>

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
// a NaN stays; with a mask because the plain one's header makes compilers warn
inline Vec relu_v(Vec v) { return _mm512_maskz_max_ps(0xffff, _mm512_setzero_ps(), v); }
inline Vec where_positive(Vec gate, Vec v) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(gate, _mm512_setzero_ps(), _CMP_GT_OQ), v);
}
#else
using Vec = __m256;
constexpr int kLanes = 8;
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline Vec broadcast(float x) { return _mm256_set1_ps(x); }
inline Vec fma_v(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec relu_v(Vec v) { return _mm256_max_ps(_mm256_setzero_ps(), v); }
inline Vec where_positive(Vec gate, Vec v) {
  return _mm256_and_ps(_mm256_cmp_ps(gate, _mm256_setzero_ps(), _CMP_GT_OQ), v);
}
#endif

/// What a vector of pairs of bf16 holds.
struct PairVec {
  Vec first, second;
};
using Words [[gnu::vector_size(sizeof(Vec))]] = std::uint32_t;
inline PairVec numbers_of(Words pairs) {
  return {reinterpret_cast<Vec>(pairs << 16), reinterpret_cast<Vec>(pairs & 0xffff0000u)};
}
[[maybe_unused]] inline PairVec numbers_of(const Bf16Pair* p) {
  Words pairs;
  std::memcpy(&pairs, p, sizeof(pairs));
  return numbers_of(pairs);
}

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
// even, the second numbers first; denormals are zero because threads of a pool flush them.
struct PortableBf16 {
  using Element = Bf16Pair;
  static constexpr int kTerms = 2;
  static constexpr int kMaxRows = 4;  // 4 x 2 sums, 2 x 2 operands and a broadcast, 14 of 16
  using Operand = PairVec;
  static Operand read(const Bf16Pair* p) { return numbers_of(p); }
  static Operand repeat(Bf16Pair x) { return numbers_of(Words{} + x); }
  static Vec add_product(Operand a, Operand b, Vec sum) {
    return fma_v(a.first, b.first, fma_v(a.second, b.second, sum));
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

/// sum[r][0 .. n) = sum over k of a(r, k) b[k][0 .. n) for kRowCount rows; n = kVecs vectors of one
/// 32-wide tile. The sums live in registers until `emit` takes them, two rows at a time:
/// emit(row + r, column, sum[r], sum[r + 1]), the last null behind an odd row.
template <typename Format, int kRowCount, int kVecs, Order kOrder, typename Emit>
inline void micro_product(const ScalarOperand<typename Format::Element>& a,
                          const typename Format::Element* b, int row, int column,
                          const Emit& emit) {
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
      typename Format::Operand in_column[kVecs];
#pragma GCC unroll 2
      for (int j = 0; j < kVecs; ++j) in_column[j] = Format::read(b + j * kLanes);
      b += kTileRows;
#pragma GCC unroll 16
      for (int r = 0; r < kRowCount; ++r) {
        const auto scalar = Format::repeat(base[r / 3][(r % 3) * row_stride]);
#pragma GCC unroll 2
        for (int j = 0; j < kVecs; ++j)
          sum[r][j] = Format::add_product(scalar, in_column[j], sum[r][j]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < (kRowCount + 2) / 3; ++i) base[i] += k_stride;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRowCount; r += 2)
    emit(row + r, column, sum[r], r + 1 < kRowCount ? &sum[r + 1] : nullptr);
}

/// The last rows of a product: picks the kernel of that many rows.
template <typename Format, int kRowCount, int kVecs, Order kOrder, typename Emit>
inline void remaining_rows(int rows, const ScalarOperand<typename Format::Element>& a,
                           const typename Format::Element* b, int row, int column,
                           const Emit& emit) {
  if constexpr (kRowCount > 0) {
    if (rows == kRowCount)
      return micro_product<Format, kRowCount, kVecs, kOrder>(a, b, row, column, emit);
    remaining_rows<Format, kRowCount - 1, kVecs, kOrder>(rows, a, b, row, column, emit);
  }
}

/// a b, [rows, width], for a strip of `width` columns (16 or 32) of a tile. done(r0, r1) is called
/// when all columns of rows [r0, r1) have been emitted.
template <typename Format, Order kOrder, typename Emit, typename Done>
inline void product(int rows, int width, ScalarOperand<typename Format::Element> a,
                    const typename Format::Element* b, const Emit& emit, Done done) {
  constexpr int kMaxRows = Format::kMaxRows;
  const auto* first = a.p;
  const std::ptrdiff_t row_step = kOrder == Order::kRows ? a.stride : 1;
  for (int r = 0; r < rows; r += kMaxRows) {
    const int count = rows - r < kMaxRows ? rows - r : kMaxRows;
    a.p = first + r * row_step;
    int column = 0;
    for (; column + 2 * kLanes <= width; column += 2 * kLanes)
      remaining_rows<Format, kMaxRows, 2, kOrder>(count, a, b + column, r, column, emit);
    for (; column < width; column += kLanes)
      remaining_rows<Format, kMaxRows, 1, kOrder>(count, a, b + column, r, column, emit);
    done(r, r + count);
  }
}
constexpr auto kNothing = [](int, int) {};

/// An emit of `put`(row, column, vector) for each vector of each row.
template <typename Put>
struct EachVector {
  Put put;
  template <int kVecs>
  [[gnu::always_inline]] void operator()(int row, int column, const Vec (&first)[kVecs],
                                         const Vec (*second)[kVecs]) const {
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) put(row, column + j * kLanes, first[j]);
    if (second == nullptr) return;
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) put(row + 1, column + j * kLanes, (*second)[j]);
  }
};
template <typename Put>
EachVector(Put) -> EachVector<Put>;

// Pairs of bf16: made of vectors, and what they hold as vectors.

#if defined(__AVX512BF16__)
/// pairs[i] = (first[i], second[i])
[[maybe_unused]] inline void store_pairs(Vec first, Vec second, Bf16Pair* pairs) {
  // sixteen of the first and sixteen of the second follow each other: take them in turns
  const __m512i in_turns =
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                       21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
  _mm512_storeu_si512(pairs, _mm512_permutexvar_epi16(in_turns, both));
}
/// The pairs of consecutive ones of `low`, then of `high`.
[[maybe_unused]] inline void store_neighbors(Vec low, Vec high, Bf16Pair* pairs) {
  _mm512_storeu_si512(pairs, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
}
#else
[[maybe_unused]] inline void store_pairs(Vec first, Vec second, Bf16Pair* pairs) {
  alignas(64) float a[kLanes], b[kLanes];
  store(a, first);
  store(b, second);
  for (int i = 0; i < kLanes; ++i) pairs[i] = bf16_pair(a[i], b[i]);
}
[[maybe_unused]] inline void store_neighbors(Vec low, Vec high, Bf16Pair* pairs) {
  alignas(64) float x[2 * kLanes];
  store(x, low);
  store(x + kLanes, high);
  bf16_pairs(x, kLanes, pairs);
}
#endif

/// pairs[i] = (first[i], second[i]) for i < count, a multiple of 16.
[[maybe_unused]] inline void pair_rows(const float* first, const float* second, int count,
                                       Bf16Pair* pairs) {
  for (int i = 0; i < count; i += kLanes) store_pairs(load(first + i), load(second + i), pairs + i);
}

/// pairs[i] = (x[2i], x[2i + 1]) for i < count, a multiple of 8.
[[maybe_unused]] inline void pair_neighbors(const float* x, int count, Bf16Pair* pairs) {
  int i = 0;
  for (; i + kLanes <= count; i += kLanes)
    store_neighbors(load(x + 2 * i), load(x + 2 * i + kLanes), pairs + i);
  if (i < count) bf16_pairs(x + 2 * i, static_cast<std::size_t>(count - i), pairs + i);
}

/// The partner of a last odd row.
alignas(64) constexpr float kNoRow[kTileRows] = {};

/// Rows of a tile in pairs of them, x [rows, 32].
[[maybe_unused]] inline void pair_all_rows(const float* x, int rows, Bf16Pair* pairs) {
  for (int r = 0; r < rows; r += 2)
    pair_rows(x + r * kTileRows, r + 1 < rows ? x + (r + 1) * kTileRows : kNoRow, kTileRows,
              pairs + r / 2 * kTileRows);
}

[[maybe_unused]] void pair_features(const float* x, int features, Bf16Pair* pairs) {
  pair_all_rows(x, features, pairs);
}

[[maybe_unused]] void pair_lanes(const float* x, int features, Bf16Pair* pairs) {
  pair_neighbors(x, features * kTileRows / 2, pairs);
}

/// y = activation(y + bias) on a row, and the derivative of swish where it has a place.
template <int kWidth>
inline void activate_row(Activation activation, float bias, float* y, float* derivative) {
  switch (activation) {
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
      if (derivative == nullptr) {
        for (int i = 0; i < kWidth; ++i) y[i] = swish_f(y[i] + bias);
      } else {
        for (int i = 0; i < kWidth; ++i) {
          const float z = y[i] + bias;
          y[i] = swish_f(z);
          derivative[i] = swish_gradient_f(z);
        }
      }
      break;
  }
}

/// The rows of the next layer's input, in pairs.
struct ReluPairs {
  const BasicDenseTile<Bf16Pair>& t;
  template <int kVecs>
  [[gnu::always_inline]] void operator()(int row, int column, const Vec (&first)[kVecs],
                                         const Vec (*second)[kVecs]) const {
    Bf16Pair* pairs = t.y_pairs + row / 2 * kTileRows + column;
    const Vec bias = broadcast(t.bias[row]);
    const Vec next_bias = broadcast(second == nullptr ? 0.0f : t.bias[row + 1]);
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j)
      store_pairs(relu_v(first[j] + bias),
                  second == nullptr ? broadcast(0.0f) : relu_v((*second)[j] + next_bias),
                  pairs + j * kLanes);
  }
};

template <typename Format, int kWidth>
void dense_lanes(const BasicDenseTile<typename Format::Element>& t) {
  const ScalarOperand<typename Format::Element> a{t.weight, t.pitch, elements<Format>(t.in)};
  const auto derivative = [&](int r) {
    return t.derivative == nullptr ? nullptr : t.derivative + r * kTileRows;
  };
  if constexpr (Format::kTerms == 2) {
    if (t.y_pairs != nullptr && t.activation == Activation::kRelu)
      return product<Format, Order::kRows>(t.out, kWidth, a, t.x, ReluPairs{t}, kNothing);
    if (t.y_pairs != nullptr) {
      constexpr int kMaxRows = Format::kMaxRows;
      alignas(64) float some[kMaxRows * kTileRows];
      return product<Format, Order::kRows>(
          t.out, kWidth, a, t.x, EachVector{[&](int r, int column, Vec sum) {
            store(some + r % kMaxRows * kTileRows + column, sum);
          }},
          [&](int begin, int end) {
            for (int r = begin; r < end; ++r)
              activate_row<kWidth>(t.activation, t.bias[r], some + r % kMaxRows * kTileRows,
                                   derivative(r));
            pair_all_rows(some, end - begin, t.y_pairs + begin / 2 * kTileRows);
          });
    }
  }
  if (t.activation == Activation::kRelu)
    return product<Format, Order::kRows>(
        t.out, kWidth, a, t.x, EachVector{[&](int r, int column, Vec sum) {
          store(t.y + r * kTileRows + column, relu_v(sum + broadcast(t.bias[r])));
        }},
        kNothing);
  product<Format, Order::kRows>(
      t.out, kWidth, a, t.x,
      EachVector{[&](int r, int column, Vec sum) { store(t.y + r * kTileRows + column, sum); }},
      [&](int begin, int end) {
        for (int r = begin; r < end; ++r)
          activate_row<kWidth>(t.activation, t.bias[r], t.y + r * kTileRows, derivative(r));
      });
}

template <typename Format>
void dense(const BasicDenseTile<typename Format::Element>& t) {
  if constexpr (Format::kTerms == 1) {
    if (t.lanes != kTileRows) return dense_lanes<Format, kTileRows / 2>(t);
  }
  dense_lanes<Format, kTileRows>(t);
}

/// v activation'(x), by what the gate holds of it.
inline Vec gated(Activation activation, Vec gate, Vec v) {
  switch (activation) {
    case Activation::kRelu:
      return where_positive(gate, v);
    case Activation::kTanh:
      return v * (broadcast(1.0f) - gate * gate);
    case Activation::kSwish:
      return v * gate;
    default:
      return v;
  }
}

/// Rows of dx in all forms that have a place, from those of W^T dy.
struct GatedPairs {
  const BasicDenseBackwardTile<Bf16Pair>& t;
  template <int kVecs>
  [[gnu::always_inline]] void operator()(int row, int column, const Vec (&first)[kVecs],
                                         const Vec (*second)[kVecs]) const {
    const int at = row * kTileRows + column, pairs_at = row / 2 * kTileRows + column;
    Vec a[kVecs], b[kVecs] = {};
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) {
      const int lane = j * kLanes;
      PairVec gate{};
      if (t.x_pairs != nullptr) {
        gate = numbers_of(t.x_pairs + pairs_at + lane);
      } else if (t.gate != nullptr) {
        gate.first = load(t.gate + at + lane);
        if (second != nullptr) gate.second = load(t.gate + at + kTileRows + lane);
      }
      a[j] = gated(t.activation, gate.first, first[j]);
      if (second != nullptr) b[j] = gated(t.activation, gate.second, (*second)[j]);
      if (t.dx != nullptr) {
        store(t.dx + at + lane, a[j]);
        if (second != nullptr) store(t.dx + at + kTileRows + lane, b[j]);
      }
      if (t.dx_pairs != nullptr) store_pairs(a[j], b[j], t.dx_pairs + pairs_at + lane);
    }
    if constexpr (kVecs == 2) {  // as in all whole tiles
      if (t.dx_lanes == nullptr) return;
      store_neighbors(a[0], a[1], t.dx_lanes + at / 2);
      if (second != nullptr) store_neighbors(b[0], b[1], t.dx_lanes + (at + kTileRows) / 2);
    }
  }
};

template <typename Format, int kWidth>
void dense_backward_lanes(const BasicDenseBackwardTile<typename Format::Element>& t) {
  const ScalarOperand<typename Format::Element> a{t.weight, t.pitch, elements<Format>(t.out)};
  if constexpr (Format::kTerms == 2) {
    product<Format, Order::kColumns>(t.in, kWidth, a, t.dy, GatedPairs{t}, kNothing);
  } else {
    product<Format, Order::kColumns>(
        t.in, kWidth, a, t.dy, EachVector{[&](int r, int column, Vec sum) {
          const int at = r * kTileRows + column;
          const Vec gate = t.gate == nullptr ? Vec{} : load(t.gate + at);
          store(t.dx + at, gated(t.activation, gate, sum));
        }},
        kNothing);
  }
}

template <typename Format>
void dense_backward(const BasicDenseBackwardTile<typename Format::Element>& t) {
  if constexpr (Format::kTerms == 1) {
    if (t.lanes != kTileRows) return dense_backward_lanes<Format, kTileRows / 2>(t);
  }
  dense_backward_lanes<Format, kTileRows>(t);
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
    pair_neighbors(u.weight + at, width / 2, u.by_inputs + at / 2);
    if (u.target_by_inputs != nullptr)
      pair_neighbors(u.target + at, width / 2, u.target_by_inputs + at / 2);
  }
  for (int r = row; r < row + count; r += 2) {
    const float* first = u.weight + static_cast<std::size_t>(r) * pitch + column;
    pair_rows(first, r + 1 < out ? first + pitch : kNoRow, width,
              u.by_outputs + static_cast<std::size_t>(r / 2) * pitch + column);
  }
}

/// x [width, 32], a panel with lanes first [32, 32].
inline void transpose_tile(const float* x, int width, float* panel) {
  for (int i = 0; i < width; i += 8)
    for (int j = 0; j < kTileRows; j += 8)
      transpose8(x + i * kTileRows + j, kTileRows, panel + j * kTileRows + i, kTileRows);
}

/// Eight pairs of features of eight lanes, from the tile [8, 32] to four pairs of lanes of sixteen
/// features [4, 32].
inline void transpose_pairs8(const Bf16Pair* x, Bf16Pair* panel) {
  __m256i r[8], s[8];  // a row: one pair of features, eight lanes
  for (int i = 0; i < 8; ++i)
    r[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i * kTileRows));
  for (int i = 0; i < 8; i += 2) {
    s[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  // r[i + lane]: pairs i to i + 3 of `lane`, then of lane + 4
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_unpacklo_epi64(s[i], s[i + 2]);
    r[i + 1] = _mm256_unpackhi_epi64(s[i], s[i + 2]);
    r[i + 2] = _mm256_unpacklo_epi64(s[i + 1], s[i + 3]);
    r[i + 3] = _mm256_unpackhi_epi64(s[i + 1], s[i + 3]);
  }
  const auto put = [panel](int lane_pair, int feature, __m256i pairs) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(panel + lane_pair * kTileRows + feature), pairs);
  };
  for (int i = 0; i < 8; i += 4)
    for (int lane = 0; lane < 4; lane += 2) {
      // the numbers of two lanes in turns
      const __m256i low = _mm256_unpacklo_epi16(r[i + lane], r[i + lane + 1]);
      const __m256i high = _mm256_unpackhi_epi16(r[i + lane], r[i + lane + 1]);
      put(lane / 2, 2 * i, _mm256_permute2x128_si256(low, high, 0x20));
      put(lane / 2 + 2, 2 * i, _mm256_permute2x128_si256(low, high, 0x31));
    }
}

/// x in pairs of features [width / 2, 32], a panel in pairs of lanes [16, 32].
inline void transpose_tile(const Bf16Pair* x, int width, Bf16Pair* panel) {
  for (int i = 0; i < width / 2; i += 8)
    for (int lane = 0; lane < kTileRows; lane += 8)
      transpose_pairs8(x + i * kTileRows + lane, panel + lane / 2 * kTileRows + 2 * i);
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
      transpose_tile(
          g.x + tile * g.x_stride + static_cast<std::size_t>(column / Format::kTerms) * kTileRows,
          width, scratch + tile * kTileElements * kTileRows);

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
          __builtin_prefetch(g.update.weight + at + line, 1, 2);
          __builtin_prefetch(g.update.m + at + line, 1, 2);
          __builtin_prefetch(g.update.v + at + line, 1, 2);
          if (g.update.target != nullptr) __builtin_prefetch(g.update.target + at + line, 1, 2);
        }
      }
      auto rows = a;
      rows.p = g.dy + r * kTileElements;
      product<Format, Order::kRows>(
          count, width, rows, scratch,
          EachVector{[&](int i, int at, Vec sum) { store(gradient + i * kTileRows + at, sum); }},
          kNothing);
      for (int i = 0; i < count; ++i)
        apply_update(g.update, static_cast<std::size_t>(r + i) * g.pitch + column,
                     gradient + i * kTileRows, width, g.update.decay);
      if (g.update.by_inputs != nullptr)
        copy_to_bf16(g.update, g.out, g.pitch, r, count, column, width);
    }
  }
}

template <typename Format>
void update_bias(const BasicBiasGradient<typename Format::Element>& g) {
  constexpr int kElements = elements<Format>(kTileRows);
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
        const auto* dy = g.dy + tile * g.tile_stride + (r + i) * kElements;
        for (int j = 0; j < kElements; j += kLanes) {
          Vec& part = sum[j % kBlock / kLanes];
          if constexpr (Format::kTerms == 1) {
            part = part + load(dy + j);
          } else {
            const PairVec rows = numbers_of(dy + j);
            part = part + (rows.first + rows.second);
          }
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
  return {name,
          dense<Format>,
          dense_backward<Format>,
          update_weights<Format>,
          update_bias<Format>,
          multiply_add<Format>,
          kLanes};
}

}  // namespace
}  // namespace mbrl
