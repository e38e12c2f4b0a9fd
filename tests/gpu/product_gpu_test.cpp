// Tests for kernels/gpu/product.{h,cu} and kernels/gpu/libraries: products of every provider against
// float64.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "cuda/graph.h"
#include "kernels/gpu/product.h"
#include "kernels/networks/initialize.h"
#include "tests/support/float64.h"
#include "tests/support/gpu.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

using gpu::Product;

/// What to multiply. Sizes are those of the product, not of what lies in memory.
struct Problem {
  int rows = 37, columns = 24, depth = 33;
  bool transpose_a = false, transpose_b = false;
  int count = 1;
  float alpha = 1.0f, beta = 0.0f;
  bool bias = false;
  Activation activation = Activation::kNone;
  bool before_activation = false, gate = false;
  // one b for all problems
  bool shared_b = false;

  friend std::ostream& operator<<(std::ostream& out, const Problem& p) {
    return out << p.count << " x [" << p.rows << ", " << p.depth << "]"
               << (p.transpose_a ? "^T" : "") << " [" << p.depth << ", " << p.columns << "]"
               << (p.transpose_b ? "^T" : "") << " alpha " << p.alpha << " beta " << p.beta
               << " bias " << p.bias << " activation " << static_cast<int>(p.activation)
               << " before " << p.before_activation << " gate " << p.gate;
  }
};

int padded_to_4(int size) { return (size + 3) / 4 * 4; }

// marks what nobody may write, and what nobody may read
constexpr float kUntouched = 7.0f, kPoison = std::numeric_limits<float>::quiet_NaN();

/// `count` matrices with room behind each row and each matrix.
struct Matrices {
  int rows, columns, pitch;
  std::size_t stride;
  Buffer<float> host;

  Matrices(int num_rows, int num_columns, int count, float padding)
      : rows(num_rows),
        columns(num_columns),
        pitch(padded_to_4(num_columns) + 4),
        stride(static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(pitch) + 8),
        host(stride * static_cast<std::size_t>(count), padding) {}

  std::size_t at(int problem, int row, int column) const {
    return static_cast<std::size_t>(problem) * stride +
           static_cast<std::size_t>(row) * static_cast<std::size_t>(pitch) +
           static_cast<std::size_t>(column);
  }
  template <typename Value>
  void fill(Value value) {
    const int count = static_cast<int>(host.size() / stride);
    for (int p = 0; p < count; ++p)
      for (int r = 0; r < rows; ++r)
        for (int c = 0; c < columns; ++c) host[at(p, r, c)] = value(at(p, r, c));
  }
};

/// A problem with random contents on the device, scaled so that results are of the order of 1.
class Fixture {
 public:
  explicit Fixture(const Problem& problem)
      : p_(problem),
        a_(p_.transpose_a ? p_.depth : p_.rows, p_.transpose_a ? p_.rows : p_.depth, p_.count,
           kPoison),
        b_(p_.transpose_b ? p_.columns : p_.depth, p_.transpose_b ? p_.depth : p_.columns,
           p_.shared_b ? 1 : p_.count, kPoison),
        c_(p_.rows, p_.columns, p_.count, kUntouched),
        gate_(p_.rows, p_.columns, p_.count, kPoison),
        bias_(1, p_.columns, p_.count, kPoison) {
    const auto random = [](std::uint32_t seed, float scale) {
      return [=](std::size_t i) {
        return scale * normal(RandomKey{seed, purpose::kInit, 0}, i, 0, 0);
      };
    };
    a_.fill(random(1, 1.0f));
    b_.fill(random(2, 1.0f / std::sqrt(static_cast<float>(p_.depth))));
    bias_.fill(random(3, 0.5f));
    // relu's own results, many of them 0, where relu is the gate
    const auto value = random(4, 1.0f);
    gate_.fill([&](std::size_t i) {
      return p_.activation == Activation::kRelu ? std::max(value(i), 0.0f) : value(i);
    });
    // without beta c is never read
    if (p_.beta != 0.0f) {
      c_.fill(random(5, 1.0f));
    } else {
      c_.fill([](std::size_t) { return kPoison; });
    }
    for (const Matrices* m : {&a_, &b_, &c_, &gate_, &bias_, &c_})
      device_.push_back(on_device(m->host));
  }

  Product product() {
    const auto stride = [&](const Matrices& m) { return p_.count == 1 ? 0 : m.stride; };
    return {.rows = p_.rows,
            .columns = p_.columns,
            .depth = p_.depth,
            .a = {device_[0].data(), a_.pitch, stride(a_), p_.transpose_a},
            .b = {device_[1].data(), b_.pitch, p_.shared_b ? 0 : stride(b_), p_.transpose_b},
            .c = device_[2].data(),
            .c_pitch = c_.pitch,
            .c_stride = stride(c_),
            .count = p_.count,
            .alpha = p_.alpha,
            .beta = p_.beta,
            .bias = p_.bias ? device_[4].data() : nullptr,
            .bias_stride = stride(bias_),
            .activation = p_.activation,
            .before_activation = p_.before_activation ? device_[5].data() : nullptr,
            .gate = p_.gate ? device_[3].data() : nullptr};
  }

  /// c and before_activation as they are on the device.
  std::vector<float> c() const { return to_host(device_[2]); }
  std::vector<float> before() const { return to_host(device_[5]); }
  void reset() { from_host(device_[2], to_host(c_.host)); }

  /// Both results against float64.
  void check(double tolerance) const {
    std::vector<double> z_wanted, wanted;
    for (int p = 0; p < p_.count; ++p)
      for (int r = 0; r < p_.rows; ++r)
        for (int col = 0; col < p_.columns; ++col) {
          const double z = reference_z(p, r, col);
          z_wanted.push_back(z);
          wanted.push_back(p_.gate ? z * gradient(gate_.host[gate_.at(p, r, col)])
                                   : reference::activate(p_.activation, z));
        }
    check_matrix(c(), wanted, tolerance, "c");
    if (p_.before_activation) check_matrix(before(), z_wanted, tolerance, "before_activation");
  }

 private:
  double reference_z(int p, int row, int column) const {
    double sum = 0.0;
    for (int k = 0; k < p_.depth; ++k)
      sum += double{a_.host[p_.transpose_a ? a_.at(p, k, row) : a_.at(p, row, k)]} *
             double{b_.host[p_.transpose_b ? b_.at(p_.shared_b ? 0 : p, column, k)
                                           : b_.at(p_.shared_b ? 0 : p, k, column)]};
    double z = double{p_.alpha} * sum;
    if (p_.beta != 0.0f) z += double{p_.beta} * double{c_.host[c_.at(p, row, column)]};
    if (p_.bias) z += double{bias_.host[bias_.at(p, 0, column)]};
    return z;
  }

  double gradient(double x) const {
    const double s = reference::sigmoid(x);
    switch (p_.activation) {
      case Activation::kRelu:
        return x > 0.0 ? 1.0 : 0.0;
      case Activation::kSwish:
        return s + x * s * (1.0 - s);
      case Activation::kTanh:
        return 1.0 - std::tanh(x) * std::tanh(x);
      default:
        return 1.0;
    }
  }

  void check_matrix(const std::vector<float>& got, const std::vector<double>& wanted,
                    double tolerance, const char* name) const {
    double difference = 0.0, norm = 0.0;
    std::vector<bool> inside(got.size(), false);
    auto want = wanted.begin();
    for (int p = 0; p < p_.count; ++p)
      for (int r = 0; r < p_.rows; ++r)
        for (int col = 0; col < p_.columns; ++col, ++want) {
          inside[c_.at(p, r, col)] = true;
          difference += std::pow(got[c_.at(p, r, col)] - *want, 2);
          norm += std::pow(*want, 2);
        }
    // a handful of elements can be small by chance; they are of the order of 1
    const double scale = std::max(norm, 0.25 * static_cast<double>(wanted.size()));
    EXPECT_LT(std::sqrt(difference / scale), tolerance) << name << " of " << p_;
    std::size_t touched = 0;
    for (std::size_t i = 0; i < got.size(); ++i) touched += !inside[i] && got[i] != kUntouched;
    EXPECT_EQ(touched, 0u) << "elements of the padding of " << name << " of " << p_;
  }

  Problem p_;
  Matrices a_, b_, c_, gate_, bias_;
  std::vector<Buffer<float>> device_;  // a, b, c, gate, bias, before_activation
};

/// One layer's error by the operands' format; our own product is always exact.
double tolerance(const Products& products) {
  if (products.provider == GemmProvider::kFused || products.provider == GemmProvider::kPlain)
    return 2e-6;
  switch (products.precision) {
    case Precision::kTf32:
    case Precision::kFp16:
      return 1e-3;
    case Precision::kBf16:
      return 8e-3;
    default:
      return 2e-6;
  }
}

class ProductGpuTest : public GpuTest, public testing::WithParamInterface<Products> {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped()) return;
    const std::string missing = GetParam().missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    streams().gpu.set_precision(GetParam().precision);
  }

  bool scales() const { return GetParam().provider != GemmProvider::kCudnn; }

  void compute(Fixture& fixture) {
    gpu::multiply(streams().gpu, gemm_, fixture.product());
    streams().gpu.synchronize();
  }
  void compute_and_check(const Problem& problem) {
    unless_refused([&] {
      Fixture fixture(problem);
      compute(fixture);
      fixture.check(tolerance(GetParam()));
    });
  }

  // made at the first use: a test that is skipped has no GPU to make them on
  TwinStreams& streams() {
    if (streams_ == nullptr) streams_ = std::make_unique<TwinStreams>();
    return *streams_;
  }

 private:
  std::unique_ptr<TwinStreams> streams_;

 protected:
  const Gemm gemm_{GetParam().provider};  // destroyed before its stream
};

TEST_P(ProductGpuTest, AnyShapeAndTranspositionIsRight) {
  // every pair of sizes; a library compiles for each shape, which is why it is not every triple
  constexpr int kDepths[] = {16, 208, 33};
  int i = 0;
  for (const int rows : {1, 3, 37, 256})
    for (const int columns : {1, 6, 24, 200}) {
      const int depth = kDepths[(i + i / 4) % 3];
      const bool bias = ++i % 2 == 0;
      for (const bool transpose_a : {false, true})
        for (const bool transpose_b : {false, true})
          compute_and_check({.rows = rows,
                             .columns = columns,
                             .depth = depth,
                             .transpose_a = transpose_a,
                             .transpose_b = transpose_b,
                             .bias = bias});
    }
}

TEST_P(ProductGpuTest, SeveralProblemsAreComputedAtOnce) {
  for (const bool transpose : {false, true})
    for (const bool shared_b : {false, true})
      compute_and_check({.transpose_a = transpose,
                         .transpose_b = !transpose,
                         .count = 3,
                         .bias = true,
                         .activation = Activation::kRelu,
                         .shared_b = shared_b});
}

TEST_P(ProductGpuTest, BiasActivationAndTheValueBeforeItAreRight) {
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kSwish, Activation::kTanh})
    for (const bool bias : {false, true})
      for (const bool before : {false, true})
        compute_and_check({.columns = 6,
                           .transpose_b = true,
                           .count = before ? 1 : 3,
                           .bias = bias,
                           .activation = activation,
                           .before_activation = before});
}

TEST_P(ProductGpuTest, TheGateMultipliesByTheGradientOfItsActivation) {
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kSwish, Activation::kTanh})
    for (const int count : {1, 3})
      compute_and_check({.columns = 50, .count = count, .activation = activation, .gate = true});
}

TEST_P(ProductGpuTest, AlphaAndBetaScaleAndAdd) {
  if (!scales()) GTEST_SKIP() << "cuDNN has neither";
  for (const float beta : {0.0f, 1.0f, -0.5f})
    for (const bool bias : {false, true})
      for (const int count : {1, 3})
        compute_and_check({.count = count,
                           .alpha = 0.25f,
                           .beta = beta,
                           .bias = bias,
                           .activation = bias ? Activation::kRelu : Activation::kNone});
}

TEST_P(ProductGpuTest, RepeatsBitForBitAndFromAGraph) {
  unless_refused([&] {
    Fixture fixture({.rows = 200,
                     .columns = 50,
                     .depth = 208,
                     .count = 3,
                     .bias = true,
                     .activation = Activation::kSwish,
                     .before_activation = true});
    compute(fixture);
    const std::vector<float> first = fixture.c(), first_before = fixture.before();
    fixture.reset();
    compute(fixture);
    // what lies between the matrices is NaN-free, so that vectors compare
    EXPECT_EQ(fixture.c(), first);

    Graph graph;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(graph.recorded(), i == 2);
      fixture.reset();
      graph.run(streams().gpu, [&] { gpu::multiply(streams().gpu, gemm_, fixture.product()); });
      streams().gpu.synchronize();
      EXPECT_EQ(fixture.c(), first);
      EXPECT_EQ(fixture.before(), first_before);
    }
  });
}

TEST_P(ProductGpuTest, APlanServesOtherArraysOfItsShape) {
  unless_refused([&] {
    const Problem problem{.count = 3, .bias = true};
    Fixture first(problem), second(problem);
    compute(first);
    compute(second);
    second.check(tolerance(GetParam()));
    first.check(tolerance(GetParam()));
  });
}

TEST_P(ProductGpuTest, NothingIsComputedOfNothing) {
  unless_refused([&] {
    Fixture fixture({});
    for (int empty = 0; empty < 3; ++empty) {
      Product p = fixture.product();
      (empty == 0 ? p.rows : empty == 1 ? p.columns : p.count) = 0;
      gpu::multiply(streams().gpu, gemm_, p);
    }
    streams().gpu.synchronize();
    EXPECT_TRUE(std::isnan(fixture.c()[0]));
  });
}

INSTANTIATE_TEST_SUITE_P(Products, ProductGpuTest, testing::ValuesIn(kAllProducts),
                         [](const auto& products) { return products.param.name(); });

class ProductErrorGpuTest : public ProductGpuTest {};

TEST_P(ProductErrorGpuTest, APitchThatALibraryCannotReadIsNamed) {
  if (GetParam().provider != GemmProvider::kCublasLt && GetParam().provider != GemmProvider::kCudnn)
    GTEST_SKIP() << "our own product reads any pitch";
  Fixture fixture({.bias = true});
  Product p = fixture.product();
  p.b.pitch = 25;
  const std::string text = error_text<ShapeError>([&] { gpu::multiply(streams().gpu, gemm_, p); });
  EXPECT_THAT(text, testing::HasSubstr(" product [37, 33] [33, 24] + bias, in "));
  EXPECT_THAT(text, testing::HasSubstr("b has pitch 25, stride 0 and address "));
  EXPECT_THAT(text, testing::HasSubstr("expected multiples of 4 floats"));
  p = fixture.product();
  p.bias += 1;
  EXPECT_THAT(error_text<ShapeError>([&] { gpu::multiply(streams().gpu, gemm_, p); }),
              testing::HasSubstr("bias has pitch 0"));
  p = fixture.product();
  p.count = 2;
  EXPECT_THAT(error_text<ShapeError>([&] { gpu::multiply(streams().gpu, gemm_, p); }),
              testing::HasSubstr("c_stride is 0"));
}

INSTANTIATE_TEST_SUITE_P(Products, ProductErrorGpuTest, testing::ValuesIn(kOneOfEachProvider),
                         [](const auto& products) { return products.param.name(); });

class ProductCudnnGpuTest : public GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped()) return;
    const std::string missing = gpu::provider_missing(GemmProvider::kCudnn);
    if (!missing.empty()) GTEST_SKIP() << missing;
  }
  // made at the first use: a test that is skipped has no GPU to make them on
  TwinStreams& streams() {
    if (streams_ == nullptr) streams_ = std::make_unique<TwinStreams>();
    return *streams_;
  }

 private:
  std::unique_ptr<TwinStreams> streams_;

 protected:
  const Gemm gemm_{GemmProvider::kCudnn};
};

TEST_F(ProductCudnnGpuTest, HasNoAlphaAndBeta) {
  Fixture fixture({.alpha = 0.5f, .beta = 1.0f});
  EXPECT_EQ(error_text<ShapeError>([&] { gpu::multiply(streams().gpu, gemm_, fixture.product()); }),
            "cuDNN product [37, 33] [33, 24] + c, in fp32: alpha is 0.5 and beta is 1; its graph "
            "has neither, expected 1 and 0.");
}

TEST_F(ProductCudnnGpuTest, IsExactInFp32OrSaysThatItCannotBe) {
  Fixture fixture({.bias = true, .activation = Activation::kRelu});
  try {
    gpu::multiply(streams().gpu, gemm_, fixture.product());
    streams().gpu.synchronize();
  } catch (const DeviceError& e) {
    EXPECT_THAT(e.what(), testing::StartsWith("cuDNN cannot compute the product [37, 33] [33, 24] "
                                              "+ bias, relu, in fp32: "));
    EXPECT_THAT(e.what(), testing::EndsWith("Use device.precision=tf32 or device.gemm=cublaslt."));
    return;
  }
  fixture.check(2e-6);
}

TEST_F(GpuTest, ProductsOfCublasLtTakeBiasAndReluAlone) {
  const std::string missing = gpu::provider_missing(GemmProvider::kCublasLt);
  if (!missing.empty()) GTEST_SKIP() << missing;
  TwinStreams streams;
  std::shared_ptr<void> kept;
  Fixture fixture({.activation = Activation::kSwish});
  EXPECT_EQ(error_text<ShapeError>(
                [&] { gpu::cublaslt::multiply(streams.gpu, kept, fixture.product()); }),
            "cuBLASLt product [37, 33] [33, 24], swish, in fp32: of what follows a product the "
            "library does bias and relu alone.");
}

}  // namespace
}  // namespace mbrl
