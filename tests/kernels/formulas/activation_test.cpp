// Tests for kernels/formulas/activation.{h,cpp}.
#include "kernels/formulas/activation.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

constexpr Activation kAll[] = {Activation::kNone, Activation::kRelu, Activation::kSwish,
                               Activation::kTanh};

std::vector<float> forward(Activation kind, const std::vector<float>& x, int columns) {
  TestStream stream;
  std::vector<float> y = poisoned(x.size());
  activation_forward(stream, matrix_of(y, columns), matrix_of(x, columns), kind);
  return y;
}

std::vector<float> backward(Activation kind, const std::vector<float>& d_y,
                            const std::vector<float>& x, int columns) {
  TestStream stream;
  std::vector<float> d_x = poisoned(x.size());
  activation_backward(stream, matrix_of(d_x, columns), matrix_of(d_y, columns),
                      matrix_of(x, columns), kind);
  return d_x;
}

TEST(ActivationTest, ByHand) {
  const std::vector<float> x{-1, 0, 2};
  EXPECT_EQ(forward(Activation::kNone, x, 3), x);
  EXPECT_EQ(forward(Activation::kRelu, x, 3), (std::vector<float>{0, 0, 2}));
  EXPECT_THAT(forward(Activation::kSwish, x, 3), ElementsNear({-0.268941421, 0.0, 1.761594156}));
  EXPECT_THAT(forward(Activation::kTanh, x, 3), ElementsNear({-0.761594156, 0.0, 0.964027580}));
}

TEST(ActivationTest, GradientsByHand) {
  const std::vector<float> x{-1, 0, 2}, ten{10, 10, 10};
  EXPECT_EQ(backward(Activation::kNone, ten, x, 3), ten);
  EXPECT_EQ(backward(Activation::kRelu, ten, x, 3), (std::vector<float>{0, 0, 10}));
  EXPECT_THAT(backward(Activation::kSwish, ten, x, 3),
              ElementsNear({0.723294881, 5.0, 10.907842488}));
  EXPECT_THAT(backward(Activation::kTanh, ten, x, 3),
              ElementsNear({4.199743416, 10.0, 0.706508249}));
}

TEST(ActivationTest, AgreesWithDoublePrecisionAtAllSizes) {
  // the last two span several ranges of the pool
  for (const int B : {1, 31, 33, 257, 4096}) {
    const auto x = random_values(reference::at(B, 0, 9), 1, 3.0f);
    const auto d_y = random_values(x.size(), 2);
    for (const Activation kind : kAll) {
      std::vector<double> y, d_x;
      for (std::size_t i = 0; i < x.size(); ++i) {
        double at = x[i];
        const auto f = [&] { return reference::activate(kind, at); };
        y.push_back(f());
        d_x.push_back(d_y[i] * reference::derivative(at, f, 1e-5));
      }
      EXPECT_THAT(forward(kind, x, 9), ElementsNear(y)) << static_cast<int>(kind) << " " << B;
      EXPECT_THAT(backward(kind, d_y, x, 9), ElementsNear(d_x))
          << static_cast<int>(kind) << " " << B;
    }
  }
}

TEST(ActivationTest, WorksInPlace) {
  TestStream stream;
  const auto x = random_values(40000, 3), d_y = random_values(40000, 4);
  for (const Activation kind : kAll) {
    std::vector<float> y = x;
    activation_forward(stream, matrix_of(y, 4), matrix_of(y, 4), kind);
    EXPECT_EQ(y, forward(kind, x, 4));
    std::vector<float> d_x = d_y;
    activation_backward(stream, matrix_of(d_x, 4), matrix_of(d_x, 4), matrix_of(x, 4), kind);
    EXPECT_EQ(d_x, backward(kind, d_y, x, 4));
  }
}

TEST(ActivationTest, NanGoesThrough) {
  for (const Activation kind : kAll)
    EXPECT_TRUE(std::isnan(forward(kind, poisoned(1), 1)[0])) << static_cast<int>(kind);
}

TEST(ActivationTest, NamesTheArrayThatDoesNotFit) {
  TestStream stream;
  std::vector<float> six(6), eight(8);
  EXPECT_EQ(error_text<ShapeError>([&] {
              activation_forward(stream, matrix_of(six, 3), matrix_of(eight, 4), Activation::kRelu);
            }),
            "activation_forward: y is [2, 3], x is [2, 4]; expected the same shape.");
  EXPECT_EQ(error_text<ShapeError>([&] {
              activation_backward(stream, matrix_of(six, 3), matrix_of(six, 2), matrix_of(six, 3),
                                  Activation::kRelu);
            }),
            "activation_backward: d_x is [2, 3], d_y is [3, 2]; expected the same shape.");
}

}  // namespace
}  // namespace mbrl
