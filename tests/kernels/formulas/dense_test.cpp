// Tests for kernels/formulas/dense.{h,cpp}.
#include "kernels/formulas/dense.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

// two rows, three inputs, two outputs
struct Small {
  std::vector<float> x{1, 2, 3, 0, -1, 1}, weight{1, 0, 2, -1, 3, 1}, bias{10, 20};
};

TEST(DenseTest, ForwardByHand) {
  TestStream stream;
  const Small s;
  std::vector<float> y = poisoned(4);
  dense_forward(stream, matrix_of(y, 2), matrix_of(s.x, 3), matrix_of(s.weight, 3),
                vector_of(s.bias));
  EXPECT_EQ(y, (std::vector<float>{17, 28, 12, 18}));
}

TEST(DenseTest, BackwardByHand) {
  TestStream stream;
  const Small s;
  const std::vector<float> d_y{1, 2, 3, -1};
  std::vector<float> d_x = poisoned(6), d_weight = poisoned(6), d_bias = poisoned(2);
  dense_backward(stream, {matrix_of(d_x, 3), matrix_of(d_weight, 3), vector_of(d_bias)},
                 matrix_of(s.x, 3), matrix_of(s.weight, 3), matrix_of(d_y, 2));
  EXPECT_EQ(d_x, (std::vector<float>{-1, 6, 4, 4, -3, 5}));
  EXPECT_EQ(d_weight, (std::vector<float>{1, -1, 6, 2, 5, 5}));
  EXPECT_EQ(d_bias, (std::vector<float>{4, 1}));
}

TEST(DenseTest, FirstLayerNeedsNoInputGradient) {
  TestStream stream;
  const Small s;
  const std::vector<float> d_y{1, 2, 3, -1};
  std::vector<float> d_weight = poisoned(6), d_bias = poisoned(2);
  dense_backward(stream, {{}, matrix_of(d_weight, 3), vector_of(d_bias)}, matrix_of(s.x, 3),
                 matrix_of(s.weight, 3), matrix_of(d_y, 2));
  EXPECT_EQ(d_weight, (std::vector<float>{1, -1, 6, 2, 5, 5}));
}

class DenseSizeTest : public testing::TestWithParam<int> {};

TEST_P(DenseSizeTest, AgreesWithDoublePrecision) {
  const int B = GetParam(), in = 33, out = 24;
  TestStream stream;
  const auto x = random_values(reference::at(B, 0, in), 1);
  const auto weight = random_values(out * in, 2), bias = random_values(out, 3);
  const auto d_y = random_values(reference::at(B, 0, out), 4);

  std::vector<float> y = poisoned(reference::at(B, 0, out));
  dense_forward(stream, matrix_of(y, out), matrix_of(x, in), matrix_of(weight, in),
                vector_of(bias));
  EXPECT_THAT(
      y,
      NearInNorm(reference::dense(doubles(x), doubles(weight), doubles(bias), B, in, out), 2e-6));

  // the gradients of sum(y d_y), which is linear in each argument
  std::vector<double> d_x_exact(reference::at(B, 0, in)), d_weight_exact(out * in),
      d_bias_exact(out);
  for (int row = 0; row < B; ++row)
    for (int o = 0; o < out; ++o) {
      const double g = d_y[reference::at(row, o, out)];
      d_bias_exact[o] += g;
      for (int i = 0; i < in; ++i) {
        d_x_exact[reference::at(row, i, in)] += g * weight[reference::at(o, i, in)];
        d_weight_exact[reference::at(o, i, in)] += g * x[reference::at(row, i, in)];
      }
    }
  std::vector<float> d_x = poisoned(x.size()), d_weight = poisoned(weight.size()),
                     d_bias = poisoned(out);
  dense_backward(stream, {matrix_of(d_x, in), matrix_of(d_weight, in), vector_of(d_bias)},
                 matrix_of(x, in), matrix_of(weight, in), matrix_of(d_y, out));
  EXPECT_THAT(d_x, NearInNorm(d_x_exact, 2e-6));
  EXPECT_THAT(d_weight, NearInNorm(d_weight_exact, 2e-6));
  EXPECT_THAT(d_bias, NearInNorm(d_bias_exact, 2e-6));
}
INSTANTIATE_TEST_SUITE_P(Rows, DenseSizeTest, testing::Values(1, 31, 33, 64, 65, 257, 1024));

TEST(DenseTest, GradientsAgreeWithCentralDifferences) {
  constexpr int B = 3, in = 4, out = 2;
  TestStream stream;
  const auto x = random_values(B * in, 1), weight = random_values(out * in, 2);
  const auto bias = random_values(out, 3), d_y = random_values(B * out, 4);
  std::vector<float> d_x(B * in), d_weight(out * in), d_bias(out);
  dense_backward(stream, {matrix_of(d_x, in), matrix_of(d_weight, in), vector_of(d_bias)},
                 matrix_of(x, in), matrix_of(weight, in), matrix_of(d_y, out));

  auto X = doubles(x), W = doubles(weight), b = doubles(bias);
  const auto loss = [&] {
    const auto y = reference::dense(X, W, b, B, in, out);
    double sum = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * d_y[i];
    return sum;
  };
  EXPECT_THAT(d_x, ElementsNear(reference::gradient(X, loss)));
  EXPECT_THAT(d_weight, ElementsNear(reference::gradient(W, loss)));
  EXPECT_THAT(d_bias, ElementsNear(reference::gradient(b, loss)));
}

TEST(DenseTest, ResultsDoNotDependOnTheNumberOfThreads) {
  constexpr int B = 200, in = 30, out = 20;
  const auto x = random_values(B * in, 1), weight = random_values(out * in, 2);
  const auto bias = random_values(out, 3), d_y = random_values(B * out, 4);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 4}) {
    TestStream stream(threads);
    std::vector<float> y(B * out), d_x(B * in), d_weight(out * in), d_bias(out);
    dense_forward(stream, matrix_of(y, out), matrix_of(x, in), matrix_of(weight, in),
                  vector_of(bias));
    dense_backward(stream, {matrix_of(d_x, in), matrix_of(d_weight, in), vector_of(d_bias)},
                   matrix_of(x, in), matrix_of(weight, in), matrix_of(d_y, out));
    for (const auto* part : {&d_x, &d_weight, &d_bias})
      y.insert(y.end(), part->begin(), part->end());
    results.push_back(y);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(DenseTest, NamesTheArrayThatDoesNotFit) {
  TestStream stream;
  std::vector<float> y(4), x(6), weight(6), bias(3), d_x(4), d_bias(2);
  EXPECT_EQ(error_text<ShapeError>([&] {
              dense_forward(stream, matrix_of(y, 2), matrix_of(x, 3), matrix_of(weight, 2),
                            vector_of(bias));
            }),
            "dense_forward: weight is [3, 2]; expected [2, 3], columns of y by columns of x.");
  EXPECT_EQ(error_text<ShapeError>([&] {
              dense_forward(stream, matrix_of(y, 2), matrix_of(x, 3), matrix_of(weight, 3),
                            vector_of(bias));
            }),
            "dense_forward: bias is [3]; expected [2], one per row of weight.");
  EXPECT_EQ(error_text<ShapeError>([&] {
              dense_backward(stream, {matrix_of(d_x, 2), matrix_of(weight, 3), vector_of(d_bias)},
                             matrix_of(x, 3), matrix_of(weight, 3), matrix_of(y, 2));
            }),
            "dense_backward: d_x is [2, 2]; expected [2, 3], the shape of x.");
}

}  // namespace
}  // namespace mbrl
