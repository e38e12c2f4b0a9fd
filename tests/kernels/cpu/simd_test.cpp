// Tests for kernels/cpu/simd.{h,cpp} and simd_body.h: the tile kernels of every instruction set against
// double precision, and against each other; those in bf16 against it on rounded operands. Outputs start as NaN; what must not be read is NaN too,
// and what must not be written is compared afterwards.
#include "kernels/cpu/simd.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <string>

#include "base/thread_pool.h"
#include "cuda/cpu_isa.h"
#include "kernels/cpu/bf16_weights.h"
#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

constexpr int kSizes[] = {1, 5, 14, 24, 33, 200, 256};
constexpr Activation kAll[] = {Activation::kNone, Activation::kRelu, Activation::kSwish,
                               Activation::kTanh};
constexpr std::size_t kGuard = 64;  // floats behind an output that stay as they are
constexpr float kUntouched = 1234.5f;

const SimdKernels* kernels_named(const std::string& name) {
  if (name == "avx2") return &simd_avx2();
  return cpu_has_avx512() ? &simd_avx512() : nullptr;
}

std::size_t tile_floats(int features) { return static_cast<std::size_t>(features) * kTileRows; }

std::vector<float> guarded(std::vector<float> values) {
  values.insert(values.end(), kGuard, kUntouched);
  return values;
}

// a sum of k products of order 1 passes through values of size sqrt(k) and is rounded k times, by
// chance up or down: k 2^-24 in all
Tolerance tolerance_of_sum(int k) { return {2e-6, 1e-6 + k * 0x1p-24}; }

// takes the guard off again
std::vector<float> checked(std::vector<float> values) {
  EXPECT_EQ(std::vector<float>(values.end() - kGuard, values.end()),
            std::vector<float>(kGuard, kUntouched));
  values.resize(values.size() - kGuard);
  return values;
}

// W [out, pitch] whose padding holds `padding`
std::vector<float> padded_weights(int in, int out, float padding, std::uint32_t seed) {
  const auto dense_weights = random_values(static_cast<std::size_t>(in) * out, seed, 0.5f);
  std::vector<float> w(static_cast<std::size_t>(out) * padded(in), padding);
  for (int o = 0; o < out; ++o)
    for (int i = 0; i < in; ++i)
      w[reference::at(o, i, padded(in))] = dense_weights[reference::at(o, i, in)];
  return w;
}

class SimdTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    kernels_ = kernels_named(GetParam());
    if (kernels_ == nullptr) GTEST_SKIP() << "this CPU has no " << GetParam();
  }
  const SimdKernels* kernels_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Isa, SimdTest, testing::Values("avx2", "avx512"),
                         [](const auto& isa) { return std::string(isa.param); });

TEST_P(SimdTest, CarriesItsName) { EXPECT_STREQ(kernels_->name, GetParam()); }

// ----- forward

struct DenseProblem {
  int in, out;
  std::vector<float> weight, bias, x;
  DenseProblem(int inputs, int outputs)
      : in(inputs),
        out(outputs),
        weight(padded_weights(in, out, std::nanf(""), 1)),
        bias(random_values(static_cast<std::size_t>(out), 2)),
        x(random_values(tile_floats(in), 3)) {}
};

struct DenseResult {
  std::vector<float> y, derivative;
};

DenseResult run_dense(const SimdKernels& kernels, const DenseProblem& p, Activation activation,
                      bool with_derivative) {
  std::vector<float> y = guarded(poisoned(tile_floats(p.out))), derivative = y;
  kernels.dense({p.weight.data(), p.bias.data(), p.in, p.out, padded(p.in), p.x.data(), y.data(),
                 with_derivative ? derivative.data() : nullptr, activation});
  return {checked(y), checked(derivative)};
}

TEST_P(SimdTest, DenseAgreesWithDoublePrecision) {
  for (const int in : kSizes)
    for (const int out : kSizes) {
      const DenseProblem p(in, out);
      std::vector<double> z;
      for (int o = 0; o < out; ++o)
        for (int lane = 0; lane < kTileRows; ++lane) {
          double sum = p.bias[o];
          for (int i = 0; i < in; ++i)
            sum += static_cast<double>(p.weight[reference::at(o, i, padded(in))]) *
                   p.x[i * kTileRows + lane];
          z.push_back(sum);
        }
      for (const Activation activation : kAll) {
        std::vector<double> y, derivative;
        for (double at : z) {
          const auto f = [&] { return reference::activate(activation, at); };
          y.push_back(f());
          derivative.push_back(reference::derivative(at, f));
        }
        const Tolerance allowed = tolerance_of_sum(in);
        const DenseResult plain = run_dense(*kernels_, p, activation, false);
        EXPECT_THAT(plain.y, ElementsNear(y, allowed))
            << in << " " << out << " " << static_cast<int>(activation);
        if (activation == Activation::kSwish) {
          const DenseResult saved = run_dense(*kernels_, p, activation, true);
          EXPECT_EQ(saved.y, plain.y);
          EXPECT_THAT(saved.derivative, ElementsNear(derivative, allowed)) << in << " " << out;
        }
      }
    }
}

TEST_P(SimdTest, DensePassesNanOnInItsRowOnly) {
  DenseProblem p(5, 7);
  p.x[2 * kTileRows + 9] = std::nanf("");
  for (const Activation activation : kAll) {
    const auto y = run_dense(*kernels_, p, activation, false).y;
    for (int o = 0; o < 7; ++o)
      for (int lane = 0; lane < kTileRows; ++lane)
        EXPECT_EQ(std::isnan(y[o * kTileRows + lane]), lane == 9) << static_cast<int>(activation);
  }
}

// ----- backward

struct BackwardProblem {
  int in, out;
  std::vector<float> weight, dy, gate;
  BackwardProblem(int inputs, int outputs)
      : in(inputs),
        out(outputs),
        weight(padded_weights(in, out, std::nanf(""), 4)),
        dy(random_values(tile_floats(out), 5)),
        gate(random_values(tile_floats(in), 6, 0.5f)) {}
};

std::vector<float> run_backward(const SimdKernels& kernels, const BackwardProblem& p,
                                Activation activation) {
  std::vector<float> dx = guarded(poisoned(tile_floats(p.in)));
  kernels.dense_backward({p.weight.data(), p.in, p.out, padded(p.in), p.dy.data(), dx.data(),
                          activation == Activation::kNone ? nullptr : p.gate.data(), activation});
  return checked(dx);
}

// what `gate` holds: x itself for relu and tanh, the derivative for swish
double gate_factor(Activation activation, double gate) {
  switch (activation) {
    case Activation::kRelu:
      return gate > 0.0 ? 1.0 : 0.0;
    case Activation::kTanh:
      return 1.0 - gate * gate;
    case Activation::kSwish:
      return gate;
    default:
      return 1.0;
  }
}

TEST_P(SimdTest, DenseBackwardAgreesWithDoublePrecision) {
  for (const int in : kSizes)
    for (const int out : kSizes) {
      const BackwardProblem p(in, out);
      std::vector<double> dx;
      for (int i = 0; i < in; ++i)
        for (int lane = 0; lane < kTileRows; ++lane) {
          double sum = 0.0;
          for (int o = 0; o < out; ++o)
            sum += static_cast<double>(p.weight[reference::at(o, i, padded(in))]) *
                   p.dy[o * kTileRows + lane];
          dx.push_back(sum);
        }
      for (const Activation activation : kAll) {
        std::vector<double> gated;
        for (std::size_t i = 0; i < dx.size(); ++i)
          gated.push_back(dx[i] * gate_factor(activation, p.gate[i]));
        EXPECT_THAT(run_backward(*kernels_, p, activation),
                    ElementsNear(gated, tolerance_of_sum(out)))
            << in << " " << out << " " << static_cast<int>(activation);
      }
    }
}

// ----- gradients of parameters, with the optimiser behind them

constexpr float kTau = 0.01f, kDecay = 0.02f;

struct Parameters {
  std::vector<float> value, m, v, target;
};

struct UpdateProblem {
  int in, out, tiles;
  std::size_t stride;  // floats between tiles of dy, and of x
  std::size_t x_stride;
  std::vector<float> x, dy;
  Parameters weight, bias;
  AdamStep adam = adam_step_constants({0.01f}, 3);

  UpdateProblem(int inputs, int outputs, int num_tiles)
      : in(inputs), out(outputs), tiles(num_tiles) {
    stride = tile_floats(padded(in) + out + 1);
    // tiles hold x with zero padding, dy, then NaN
    std::vector<float> data = poisoned(static_cast<std::size_t>(tiles) * stride);
    const auto random_x = random_values(tile_floats(in) * tiles, 7);
    const auto random_dy = random_values(tile_floats(out) * tiles, 8);
    for (int tile = 0; tile < tiles; ++tile) {
      float* at = data.data() + tile * stride;
      std::copy_n(random_x.data() + tile * tile_floats(in), tile_floats(in), at);
      std::fill_n(at + tile_floats(in), tile_floats(padded(in) - in), 0.0f);
      std::copy_n(random_dy.data() + tile * tile_floats(out), tile_floats(out),
                  at + tile_floats(padded(in)));
    }
    // x of its own stride, as where it belongs to another network
    x_stride = tile_floats(padded(in) + 2);
    x = poisoned(static_cast<std::size_t>(tiles) * x_stride);
    for (int tile = 0; tile < tiles; ++tile)
      std::copy_n(data.data() + tile * stride, tile_floats(padded(in)), x.data() + tile * x_stride);
    dy.assign(data.begin() + static_cast<std::ptrdiff_t>(tile_floats(padded(in))), data.end());

    weight.value = padded_weights(in, out, 0.0f, 9);
    weight.m = padded_weights(in, out, 0.0f, 10);
    weight.v = padded_weights(in, out, 0.0f, 11);
    for (float& v : weight.v) v *= v;
    weight.target = padded_weights(in, out, 0.0f, 12);
    const auto n = static_cast<std::size_t>(out);
    bias = {random_values(n, 13), random_values(n, 14), std::vector<float>(n, 0.3f),
            random_values(n, 15)};
  }
  float x_at(int tile, int i, int lane) const { return x[tile * x_stride + i * kTileRows + lane]; }
  float dy_at(int tile, int o, int lane) const { return dy[tile * stride + o * kTileRows + lane]; }
};

WeightUpdate update_of(Parameters& p, const AdamStep& adam, bool with_target, float decay) {
  return {p.value.data(), p.m.data(), p.v.data(), with_target ? p.target.data() : nullptr,
          kTau,           decay,      adam};
}

// columns [begin, end) of the weights, in blocks of `width`
Parameters run_update_weights(const SimdKernels& kernels, const UpdateProblem& problem, int begin,
                              int end, int width, bool with_target = true) {
  Parameters p = problem.weight;
  for (auto* part : {&p.value, &p.m, &p.v, &p.target}) *part = guarded(*part);
  std::vector<float> scratch =
      guarded(poisoned(static_cast<std::size_t>(problem.tiles) * kTileRows * kTileRows));
  for (int column = begin; column < end; column += width)
    kernels.update_weights({problem.out, padded(problem.in), column, std::min(column + width, end),
                            problem.tiles, problem.x_stride, problem.stride, problem.x.data(),
                            problem.dy.data(), update_of(p, problem.adam, with_target, kDecay)},
                           scratch.data());
  checked(scratch);
  for (auto* part : {&p.value, &p.m, &p.v, &p.target}) *part = checked(*part);
  return p;
}

Parameters run_update_bias(const SimdKernels& kernels, const UpdateProblem& problem) {
  Parameters p = problem.bias;
  for (auto* part : {&p.value, &p.m, &p.v, &p.target}) *part = guarded(*part);
  kernels.update_bias({problem.out, problem.tiles, problem.stride, problem.dy.data(),
                       update_of(p, problem.adam, true, 0.0f)});
  for (auto* part : {&p.value, &p.m, &p.v, &p.target}) *part = checked(*part);
  return p;
}

struct ExactParameters {
  std::vector<double> value, m, v, target;

  // Adam and averaging on parameters whose gradients are known
  ExactParameters(const Parameters& p, const std::vector<double>& gradient, const AdamStep& s)
      : value(doubles(p.value)), m(doubles(p.m)), v(doubles(p.v)), target(doubles(p.target)) {
    const double b1 = s.beta1, b2 = s.beta2;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      m[i] = b1 * m[i] + (1.0 - b1) * gradient[i];
      v[i] = b2 * v[i] + (1.0 - b2) * gradient[i] * gradient[i];
      value[i] -= s.rate * m[i] / (std::sqrt(v[i]) + s.epsilon);
      target[i] += kTau * (value[i] - target[i]);
    }
  }
};

void expect_near(const Parameters& got, const ExactParameters& exact, const std::string& where) {
  // m and v are judged in norm, because single gradients cancel; the others are of order 1
  EXPECT_THAT(got.m, NearInNorm(exact.m, 4e-6)) << where;
  EXPECT_THAT(got.v, NearInNorm(exact.v, 4e-6)) << where;
  EXPECT_THAT(got.value, NearInNorm(exact.value, 4e-6)) << where;
  EXPECT_THAT(got.target, NearInNorm(exact.target, 4e-6)) << where;
}

TEST_P(SimdTest, UpdateWeightsAgreesWithDoublePrecision) {
  for (const int in : kSizes)
    for (const int out : {1, 5, 14, 33, 200}) {
      const UpdateProblem p(in, out, /*num_tiles=*/out == 14 ? 8 : 2);
      std::vector<double> gradient;
      for (int o = 0; o < out; ++o)
        for (int i = 0; i < padded(in); ++i) {
          double sum =
              static_cast<double>(kDecay) * p.weight.value[reference::at(o, i, padded(in))];
          for (int tile = 0; tile < p.tiles; ++tile)
            for (int lane = 0; lane < kTileRows; ++lane)
              sum += static_cast<double>(p.dy_at(tile, o, lane)) * p.x_at(tile, i, lane);
          gradient.push_back(sum);
        }
      const Parameters got = run_update_weights(*kernels_, p, 0, padded(in), padded(in));
      expect_near(got, ExactParameters(p.weight, gradient, p.adam),
                  std::to_string(in) + " " + std::to_string(out));
      // padding was zero and is zero
      for (int o = 0; o < out; ++o)
        for (int i = in; i < padded(in); ++i)
          for (const auto* part : {&got.value, &got.m, &got.v, &got.target})
            ASSERT_EQ((*part)[reference::at(o, i, padded(in))], 0.0f) << in << " " << out;
    }
}

TEST_P(SimdTest, BlocksOfColumnsAreIndependent) {
  const UpdateProblem p(200, 33, 3);  // 208 columns with padding
  const Parameters whole = run_update_weights(*kernels_, p, 0, 208, 208);
  for (const int width : {16, 32, 48}) {
    const Parameters blocks = run_update_weights(*kernels_, p, 0, 208, width);
    EXPECT_EQ(blocks.value, whole.value) << width;
    EXPECT_EQ(blocks.m, whole.m) << width;
    EXPECT_EQ(blocks.target, whole.target) << width;
  }
  // one block in the middle leaves the others
  const Parameters middle = run_update_weights(*kernels_, p, 48, 80, 32);
  for (int o = 0; o < 33; ++o)
    for (int i = 0; i < 208; ++i) {
      const std::size_t at = reference::at(o, i, 208);
      const bool inside = i >= 48 && i < 80;
      ASSERT_EQ(middle.value[at], (inside ? whole : p.weight).value[at]) << o << " " << i;
      ASSERT_EQ(middle.m[at], (inside ? whole : p.weight).m[at]) << o << " " << i;
      ASSERT_EQ(middle.v[at], (inside ? whole : p.weight).v[at]) << o << " " << i;
      ASSERT_EQ(middle.target[at], (inside ? whole : p.weight).target[at]) << o << " " << i;
    }
}

TEST_P(SimdTest, WithoutATargetOnlyTheParametersMove) {
  const UpdateProblem p(33, 14, 2);
  const Parameters with = run_update_weights(*kernels_, p, 0, 48, 48, true);
  const Parameters without = run_update_weights(*kernels_, p, 0, 48, 48, false);
  EXPECT_EQ(without.value, with.value);
  EXPECT_EQ(without.target, p.weight.target);
  EXPECT_NE(with.target, p.weight.target);
}

TEST_P(SimdTest, UpdateBiasAgreesWithDoublePrecision) {
  for (const int out : kSizes)
    for (const int tiles : {1, 3, 8}) {
      const UpdateProblem p(5, out, tiles);
      std::vector<double> gradient;
      for (int o = 0; o < out; ++o) {
        double sum = 0.0;
        for (int tile = 0; tile < tiles; ++tile)
          for (int lane = 0; lane < kTileRows; ++lane) sum += p.dy_at(tile, o, lane);
        gradient.push_back(sum);
      }
      expect_near(run_update_bias(*kernels_, p), ExactParameters(p.bias, gradient, p.adam),
                  std::to_string(out) + " " + std::to_string(tiles));
    }
}

// ----- the two instruction sets

TEST(SimdIsaTest, BothGiveTheSameBitsButForBiasSums) {
  if (!cpu_has_avx512()) GTEST_SKIP() << "this CPU has no avx512 to compare with";
  const SimdKernels &narrow = simd_avx2(), &wide = simd_avx512();
  for (const int in : kSizes)
    for (const int out : kSizes) {
      const DenseProblem dense(in, out);
      const BackwardProblem backward(in, out);
      for (const Activation activation : kAll) {
        const DenseResult a = run_dense(narrow, dense, activation, false);
        EXPECT_EQ(a.y, run_dense(wide, dense, activation, false).y) << in << " " << out;
        EXPECT_EQ(run_backward(narrow, backward, activation),
                  run_backward(wide, backward, activation));
      }
      EXPECT_EQ(run_dense(narrow, dense, Activation::kSwish, true).derivative,
                run_dense(wide, dense, Activation::kSwish, true).derivative);
      const UpdateProblem update(in, out, 2);
      const Parameters a = run_update_weights(narrow, update, 0, padded(in), 32);
      const Parameters b = run_update_weights(wide, update, 0, padded(in), 32);
      EXPECT_EQ(a.value, b.value) << in << " " << out;
      EXPECT_EQ(a.m, b.m) << in << " " << out;
      EXPECT_EQ(a.v, b.v) << in << " " << out;
      EXPECT_EQ(a.target, b.target) << in << " " << out;
      // a sum per vector lane, then over the lanes: as many terms as there are lanes
      EXPECT_THAT(run_update_bias(narrow, update).m,
                  NearInNorm(doubles(run_update_bias(wide, update).m), 1e-6));
    }
}

TEST(SimdIsaTest, TheWidestOneIsChosen) {
  if (std::getenv("MBRL_ISA") != nullptr) GTEST_SKIP() << "MBRL_ISA asks for one";
  EXPECT_STREQ(simd().name, cpu_has_avx512() ? "avx512" : "avx2");
}

// ----- bf16: the same kernels on pairs of rounded operands

float from_bf16(std::uint32_t bits) { return std::bit_cast<float>(bits << 16); }
float first_of(Bf16Pair pair) { return from_bf16(pair & 0xffffu); }
float second_of(Bf16Pair pair) { return from_bf16(pair >> 16); }
double rounded(float x) { return from_bf16(to_bf16(x)); }
int half_of(int n) { return (n + 1) / 2; }

const Bf16Kernels* bf16_named(const std::string& name) {
  if (name == "bf16_portable") return &bf16_portable();
  return cpu_has_avx512_bf16() ? &bf16_avx512() : nullptr;
}

class Bf16KernelsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    kernels_ = bf16_named(GetParam());
    if (kernels_ == nullptr) GTEST_SKIP() << "this CPU has no " << GetParam();
    flush_denormals();  // as threads of a pool do
  }
  const Bf16Kernels* kernels_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Isa, Bf16KernelsTest, testing::Values("bf16_portable", "avx512_bf16"),
                         [](const auto& isa) { return std::string(isa.param); });

TEST_P(Bf16KernelsTest, CarriesItsName) { EXPECT_STREQ(kernels_->name, GetParam()); }

std::vector<Bf16Pair> features_in_pairs(const Bf16Kernels& kernels, const std::vector<float>& x,
                                        int features) {
  std::vector<Bf16Pair> pairs(tile_floats(half_of(features)) + 1, 77u);
  kernels.pair_features(x.data(), features, pairs.data());
  EXPECT_EQ(pairs.back(), 77u);
  pairs.pop_back();
  return pairs;
}
std::vector<Bf16Pair> lanes_in_pairs(const Bf16Kernels& kernels, const std::vector<float>& x,
                                     int features) {
  std::vector<Bf16Pair> pairs(tile_floats(features) / 2 + 1, 77u);
  kernels.pair_lanes(x.data(), features, pairs.data());
  EXPECT_EQ(pairs.back(), 77u);
  pairs.pop_back();
  return pairs;
}

TEST_P(Bf16KernelsTest, PairsAreOfNeighbors) {
  for (const int features : {1, 2, 5}) {
    const auto x = random_values(tile_floats(features), 21);
    const auto of_features = features_in_pairs(*kernels_, x, features);
    for (int i = 0; i < features; ++i)
      for (int lane = 0; lane < kTileRows; ++lane) {
        const Bf16Pair pair = of_features[i / 2 * kTileRows + lane];
        EXPECT_EQ(i % 2 == 0 ? first_of(pair) : second_of(pair), rounded(x[i * kTileRows + lane]));
        if (i + 1 == features && i % 2 == 0) {
          EXPECT_EQ(second_of(pair), 0.0f);
        }
      }
    const auto of_lanes = lanes_in_pairs(*kernels_, x, features);
    for (int i = 0; i < features * kTileRows; ++i)
      EXPECT_EQ(i % 2 == 0 ? first_of(of_lanes[i / 2]) : second_of(of_lanes[i / 2]), rounded(x[i]));
  }
}

// pairs of features that hold what a tile's product leaves, with a guard behind them
struct GuardedPairs {
  std::vector<Bf16Pair> pairs;
  explicit GuardedPairs(std::size_t size) : pairs(size + kGuard, 77u) {}
  Bf16Pair* data() { return pairs.data(); }
  std::vector<Bf16Pair> checked() {
    EXPECT_EQ(std::vector<Bf16Pair>(pairs.end() - kGuard, pairs.end()),
              std::vector<Bf16Pair>(kGuard, 77u));
    return {pairs.begin(), pairs.end() - kGuard};
  }
};

// y as floats, or in pairs of features for the next layer
DenseResult run_dense(const Bf16Kernels& kernels, const DenseProblem& p, Activation activation,
                      bool with_derivative = false, std::vector<Bf16Pair>* y_pairs = nullptr) {
  std::vector<float> y = guarded(poisoned(tile_floats(p.out))), derivative = y;
  // padding of W is NaN, and an odd input's partner is read with it
  std::vector<float> weight = p.weight;
  for (float& w : weight) w = std::isnan(w) ? 0.0f : w;
  MlpLayout layout = make_mlp_layout({p.in, p.out});
  weight.resize(layout.size, 0.0f);
  Bf16Weights copies(layout);
  copies.refresh(weight.data());
  const auto x = features_in_pairs(kernels, p.x, p.in);
  GuardedPairs pairs(tile_floats(half_of(p.out)));
  const bool to_pairs = y_pairs != nullptr;
  kernels.dense({copies.by_inputs(0), p.bias.data(), p.in, p.out, padded(p.in) / 2, x.data(),
                 to_pairs ? nullptr : y.data(), with_derivative ? derivative.data() : nullptr,
                 activation, kTileRows, to_pairs ? pairs.data() : nullptr});
  if (to_pairs) *y_pairs = pairs.checked();
  return {checked(y), checked(derivative)};
}

TEST_P(Bf16KernelsTest, DenseAgreesWithDoublePrecisionOnRoundedOperands) {
  for (const int in : kSizes)
    for (const int out : kSizes) {
      const DenseProblem p(in, out);
      std::vector<double> z;
      for (int o = 0; o < out; ++o)
        for (int lane = 0; lane < kTileRows; ++lane) {
          double sum = p.bias[o];
          for (int i = 0; i < in; ++i)
            sum += rounded(p.weight[reference::at(o, i, padded(in))]) *
                   rounded(p.x[i * kTileRows + lane]);
          z.push_back(sum);
        }
      for (const Activation activation : kAll) {
        std::vector<double> y;
        for (double at : z) y.push_back(reference::activate(activation, at));
        EXPECT_THAT(run_dense(*kernels_, p, activation).y, ElementsNear(y, tolerance_of_sum(in)))
            << in << " " << out << " " << static_cast<int>(activation);
      }
    }
}

TEST_P(Bf16KernelsTest, DenseLeavesWhatTheNextLayerReads) {
  for (const int in : {1, 14, 200})
    for (const int out : kSizes)
      for (const Activation activation : kAll) {
        const DenseProblem p(in, out);
        const DenseResult whole = run_dense(*kernels_, p, activation);
        std::vector<Bf16Pair> pairs;
        run_dense(*kernels_, p, activation, false, &pairs);
        EXPECT_EQ(pairs, features_in_pairs(*kernels_, whole.y, out))
            << in << " " << out << " " << static_cast<int>(activation);
        if (activation != Activation::kSwish) continue;
        const DenseResult saved = run_dense(*kernels_, p, activation, true, &pairs);
        EXPECT_EQ(pairs, features_in_pairs(*kernels_, whole.y, out));
        EXPECT_EQ(saved.derivative, run_dense(*kernels_, p, activation, true).derivative);
      }
}

TEST_P(Bf16KernelsTest, PairsKeepNanAndWhatIsNotPositive) {
  // -0 and a NaN of a relu's sum: as floats, so in pairs
  DenseProblem p(2, 3);
  std::fill(p.weight.begin(), p.weight.end(), 0.0f);
  p.bias = {-1.0f, 3.0f, std::nanf("")};
  std::vector<Bf16Pair> pairs;
  run_dense(*kernels_, p, Activation::kRelu, false, &pairs);
  for (int lane = 0; lane < kTileRows; ++lane) {
    EXPECT_EQ(first_of(pairs[lane]), 0.0f);
    EXPECT_EQ(second_of(pairs[lane]), 3.0f);
    EXPECT_TRUE(std::isnan(first_of(pairs[kTileRows + lane])));
    EXPECT_EQ(second_of(pairs[kTileRows + lane]), 0.0f);
  }
}

// two fused multiply-adds a pair, the second numbers first
TEST_P(Bf16KernelsTest, APairIsAddedOneAfterTheOther) {
  const auto sum_of = [&](std::vector<float> x) {
    DenseProblem p(static_cast<int>(x.size()), 1);
    std::fill(p.weight.begin(), p.weight.end(), 1.0f);
    p.bias[0] = 0.0f;
    for (std::size_t i = 0; i < x.size(); ++i)
      std::fill_n(p.x.begin() + static_cast<std::ptrdiff_t>(i) * kTileRows, kTileRows, x[i]);
    return run_dense(*kernels_, p, Activation::kNone).y[0];
  };
  EXPECT_EQ(sum_of({0x1p24f, 0.0f, 1.0f, 1.0f}), 0x1p24f);  // each 1 is rounded away
  EXPECT_EQ(sum_of({1.0f, 0.0f, -0x1p24f, 0x1p24f}), 0.0f);
  EXPECT_EQ(sum_of({1.0f, 0.0f, 0x1p24f, -0x1p24f}), 1.0f);
  EXPECT_EQ(sum_of({0x1p-130f, 0x1p-130f}), 0.0f);  // denormals
}

struct BackwardResult {
  std::vector<float> dx;
  std::vector<Bf16Pair> features, lanes;
};

// what gates relu and tanh is x in pairs, as the forward pass left it
BackwardResult run_backward(const Bf16Kernels& kernels, const BackwardProblem& p,
                            Activation activation, bool with_pairs = true) {
  std::vector<float> dx = guarded(poisoned(tile_floats(p.in)));
  std::vector<float> weight = p.weight;
  const MlpLayout layout = make_mlp_layout({p.in, p.out});
  weight.resize(layout.size, 0.0f);
  Bf16Weights copies(layout);
  copies.refresh(weight.data());
  const auto dy = features_in_pairs(kernels, p.dy, p.out);
  const auto x = features_in_pairs(kernels, p.gate, p.in);
  const bool by_x = activation == Activation::kRelu || activation == Activation::kTanh;
  GuardedPairs features(tile_floats(half_of(p.in))), lanes(tile_floats(p.in) / 2);
  kernels.dense_backward({copies.by_outputs(0), p.in, p.out, padded(p.in), dy.data(), dx.data(),
                          activation == Activation::kSwish ? p.gate.data() : nullptr, activation,
                          kTileRows, by_x ? x.data() : nullptr,
                          with_pairs ? features.data() : nullptr,
                          with_pairs ? lanes.data() : nullptr});
  return {checked(dx), features.checked(), lanes.checked()};
}

TEST_P(Bf16KernelsTest, DenseBackwardLeavesWhatLaterPassesRead) {
  for (const int in : kSizes)
    for (const int out : {1, 33})
      for (const Activation activation : kAll) {
        const BackwardProblem p(in, out);
        const BackwardResult got = run_backward(*kernels_, p, activation);
        EXPECT_EQ(got.features, features_in_pairs(*kernels_, got.dx, in)) << in << " " << out;
        EXPECT_EQ(got.lanes, lanes_in_pairs(*kernels_, got.dx, in)) << in << " " << out;
        const BackwardResult alone = run_backward(*kernels_, p, activation, false);
        EXPECT_EQ(alone.dx, got.dx) << in << " " << out;
        EXPECT_EQ(alone.features, std::vector<Bf16Pair>(got.features.size(), 77u));
        EXPECT_EQ(alone.lanes, std::vector<Bf16Pair>(got.lanes.size(), 77u));
      }
}

TEST_P(Bf16KernelsTest, TheDerivativeMayLieWhereDxGoes) {
  const BackwardProblem p(33, 14);
  const MlpLayout layout = make_mlp_layout({p.in, p.out});
  std::vector<float> weight = p.weight;
  weight.resize(layout.size, 0.0f);
  Bf16Weights copies(layout);
  copies.refresh(weight.data());
  const auto dy = features_in_pairs(*kernels_, p.dy, p.out);
  std::vector<float> dx = guarded(p.gate);
  kernels_->dense_backward({copies.by_outputs(0), p.in, p.out, padded(p.in), dy.data(), dx.data(),
                            dx.data(), Activation::kSwish});
  EXPECT_EQ(checked(dx), run_backward(*kernels_, p, Activation::kSwish).dx);
}

TEST_P(Bf16KernelsTest, DenseBackwardAgreesWithDoublePrecisionOnRoundedOperands) {
  for (const int in : kSizes)
    for (const int out : kSizes) {
      const BackwardProblem p(in, out);
      for (const Activation activation : kAll) {
        std::vector<double> dx;
        for (int i = 0; i < in; ++i)
          for (int lane = 0; lane < kTileRows; ++lane) {
            double sum = 0.0;
            for (int o = 0; o < out; ++o)
              sum += rounded(p.weight[reference::at(o, i, padded(in))]) *
                     rounded(p.dy[o * kTileRows + lane]);
            const float gate = p.gate[i * kTileRows + lane];
            dx.push_back(sum * gate_factor(activation,
                                           activation == Activation::kTanh ? rounded(gate) : gate));
          }
        EXPECT_THAT(run_backward(*kernels_, p, activation).dx,
                    ElementsNear(dx, tolerance_of_sum(out)))
            << in << " " << out << " " << static_cast<int>(activation);
      }
    }
}

struct UpdatedInBf16 {
  Parameters parameters;
  Bf16Weights copies, target_copies;
};

// dy of all tiles, [tile][out, 16]
std::vector<Bf16Pair> errors_in_pairs(const Bf16Kernels& kernels, const UpdateProblem& problem) {
  std::vector<Bf16Pair> dy;
  for (int tile = 0; tile < problem.tiles; ++tile) {
    const float* first = problem.dy.data() + tile * problem.stride;
    const auto pairs = lanes_in_pairs(
        kernels, std::vector<float>(first, first + tile_floats(problem.out)), problem.out);
    dy.insert(dy.end(), pairs.begin(), pairs.end());
  }
  return dy;
}

UpdatedInBf16 run_update_weights(const Bf16Kernels& kernels, const UpdateProblem& problem,
                                 int width) {
  const MlpLayout layout = make_mlp_layout({problem.in, problem.out});
  UpdatedInBf16 result{problem.weight, Bf16Weights(layout), Bf16Weights(layout)};
  Parameters& p = result.parameters;
  const std::vector<Bf16Pair> dy = errors_in_pairs(kernels, problem);
  // x, [tile][pitch / 2, 32] with a gap behind each
  const int pitch = padded(problem.in);
  const std::size_t x_stride = tile_floats(pitch / 2 + 1);
  std::vector<Bf16Pair> x(problem.tiles * x_stride, 77u);
  for (int tile = 0; tile < problem.tiles; ++tile) {
    const float* first = problem.x.data() + tile * problem.x_stride;
    const auto pairs =
        features_in_pairs(kernels, std::vector<float>(first, first + tile_floats(pitch)), pitch);
    std::copy(pairs.begin(), pairs.end(), x.data() + tile * x_stride);
  }
  std::vector<Bf16Pair> scratch(static_cast<std::size_t>(problem.tiles) * 16 * kTileRows + 1, 77u);
  WeightUpdate update = update_of(p, problem.adam, true, kDecay);
  update.by_inputs = result.copies.by_inputs(0);
  update.by_outputs = result.copies.by_outputs(0);
  update.target_by_inputs = result.target_copies.by_inputs(0);
  for (int column = 0; column < pitch; column += width)
    kernels.update_weights(
        {problem.out, pitch, column, std::min(column + width, pitch), problem.tiles, x_stride,
         tile_floats(problem.out) / 2, x.data(), dy.data(), update},
        scratch.data());
  EXPECT_EQ(scratch.back(), 77u);
  return result;
}

TEST_P(Bf16KernelsTest, UpdateWeightsAgreesWithDoublePrecisionAndTheCopiesFollow) {
  for (const int in : {1, 5, 33, 200})
    for (const int out : {1, 5, 14, 33}) {
      const UpdateProblem p(in, out, /*num_tiles=*/out == 14 ? 8 : 2);
      const int pitch = padded(in);
      std::vector<double> gradient;
      for (int o = 0; o < out; ++o)
        for (int i = 0; i < pitch; ++i) {
          double sum = static_cast<double>(kDecay) * p.weight.value[reference::at(o, i, pitch)];
          for (int tile = 0; tile < p.tiles; ++tile)
            for (int lane = 0; lane < kTileRows; ++lane)
              sum += rounded(p.dy_at(tile, o, lane)) * rounded(p.x_at(tile, i, lane));
          gradient.push_back(sum);
        }
      const UpdatedInBf16 whole = run_update_weights(*kernels_, p, pitch);
      const UpdatedInBf16 blocks = run_update_weights(*kernels_, p, 32);
      expect_near(whole.parameters, ExactParameters(p.weight, gradient, p.adam),
                  std::to_string(in) + " " + std::to_string(out));
      EXPECT_EQ(blocks.parameters.value, whole.parameters.value);

      // as if made anew
      const MlpLayout layout = make_mlp_layout({in, out});
      Bf16Weights anew(layout), target_anew(layout);
      std::vector<float> arena = whole.parameters.value;
      arena.resize(layout.size, 0.0f);
      anew.refresh(arena.data());
      arena = whole.parameters.target;
      arena.resize(layout.size, 0.0f);
      target_anew.refresh(arena.data());
      for (const UpdatedInBf16* got : {&whole, &blocks}) {
        const int words = out * pitch / 2;
        for (int i = 0; i < words; ++i) {
          ASSERT_EQ(got->copies.by_inputs(0)[i], anew.by_inputs(0)[i]) << in << " " << out;
          ASSERT_EQ(got->target_copies.by_inputs(0)[i], target_anew.by_inputs(0)[i]);
        }
        for (int i = 0; i < half_of(out) * pitch; ++i)
          ASSERT_EQ(got->copies.by_outputs(0)[i], anew.by_outputs(0)[i]) << in << " " << out;
      }
    }
}

Parameters run_update_bias(const Bf16Kernels& kernels, const UpdateProblem& problem) {
  Parameters p = problem.bias;
  for (auto* part : {&p.value, &p.m, &p.v, &p.target}) *part = guarded(*part);
  const std::vector<Bf16Pair> dy = errors_in_pairs(kernels, problem);
  kernels.update_bias({problem.out, problem.tiles, tile_floats(problem.out) / 2, dy.data(),
                       update_of(p, problem.adam, true, 0.0f)});
  for (auto* part : {&p.value, &p.m, &p.v, &p.target}) *part = checked(*part);
  return p;
}

TEST_P(Bf16KernelsTest, UpdateBiasAgreesWithDoublePrecisionOnRoundedErrors) {
  for (const int out : kSizes)
    for (const int tiles : {1, 3, 8}) {
      const UpdateProblem p(5, out, tiles);
      std::vector<double> gradient(static_cast<std::size_t>(out), 0.0);
      for (int o = 0; o < out; ++o)
        for (int tile = 0; tile < tiles; ++tile)
          for (int lane = 0; lane < kTileRows; ++lane)
            gradient[o] += rounded(p.dy_at(tile, o, lane));
      expect_near(run_update_bias(*kernels_, p), ExactParameters(p.bias, gradient, p.adam),
                  std::to_string(out) + " " + std::to_string(tiles));
    }
}

TEST(Bf16IsaTest, BothGiveTheSameBits) {
  if (!cpu_has_avx512_bf16()) GTEST_SKIP() << "this CPU has no AVX512-BF16 to compare with";
  flush_denormals();
  const Bf16Kernels &portable = bf16_portable(), &wide = bf16_avx512();
  for (const int in : kSizes)
    for (const int out : kSizes) {
      const DenseProblem dense(in, out);
      const BackwardProblem backward(in, out);
      for (const Activation activation : kAll) {
        EXPECT_EQ(run_dense(portable, dense, activation).y, run_dense(wide, dense, activation).y)
            << in << " " << out;
        const BackwardResult a = run_backward(portable, backward, activation),
                             b = run_backward(wide, backward, activation);
        EXPECT_EQ(a.dx, b.dx) << in << " " << out;
        EXPECT_EQ(a.features, b.features) << in << " " << out;
        EXPECT_EQ(a.lanes, b.lanes) << in << " " << out;
        std::vector<Bf16Pair> pairs, wide_pairs;
        const DenseResult to_pairs = run_dense(portable, dense, activation, true, &pairs),
                          to_wide = run_dense(wide, dense, activation, true, &wide_pairs);
        EXPECT_EQ(pairs, wide_pairs) << in << " " << out;
        if (activation == Activation::kSwish) {
          EXPECT_EQ(to_pairs.derivative, to_wide.derivative);
        }
      }
      const UpdateProblem update(in, out, 2);
      const UpdatedInBf16 a = run_update_weights(portable, update, 32),
                          b = run_update_weights(wide, update, 32);
      EXPECT_EQ(a.parameters.value, b.parameters.value) << in << " " << out;
      EXPECT_EQ(a.parameters.m, b.parameters.m) << in << " " << out;
      EXPECT_EQ(run_update_bias(portable, update).m, run_update_bias(wide, update).m) << out;
    }
}

}  // namespace
}  // namespace mbrl
