// Tests for kernels/cpu/blas.{h,cpp}.
#include "kernels/cpu/blas.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(GemmTest, MultipliesTwoByTwo) {
  TestStream stream;
  const std::vector<float> a{1, 2, 3, 4}, b{5, 6, 7, 8};
  std::vector<float> c = poisoned(4);
  gemm(matrix_of(c, 2), matrix_of(a, 2), false, matrix_of(b, 2), false);
  EXPECT_EQ(c, (std::vector<float>{19, 22, 43, 50}));
  gemm(matrix_of(c, 2), matrix_of(a, 2), true, matrix_of(b, 2), false);
  EXPECT_EQ(c, (std::vector<float>{26, 30, 38, 44}));
  gemm(matrix_of(c, 2), matrix_of(a, 2), false, matrix_of(b, 2), true);
  EXPECT_EQ(c, (std::vector<float>{17, 23, 39, 53}));
  gemm(matrix_of(c, 2), matrix_of(a, 2), true, matrix_of(b, 2), true);
  EXPECT_EQ(c, (std::vector<float>{23, 31, 34, 46}));
}

TEST(GemmTest, ScalesAndAdds) {
  TestStream stream;
  const std::vector<float> a{1, 2}, b{3, 4};
  std::vector<float> c{100};
  gemm(matrix_of(c, 1), Matrix<const float>(a.data(), 1, 2), false,
       Matrix<const float>(b.data(), 2, 1), false, 2.0f, 0.5f);
  EXPECT_EQ(c[0], 2.0f * 11.0f + 50.0f);
}

TEST(GemmTest, AnEmptySumLeavesBetaC) {
  TestStream stream;
  std::vector<float> c{4, 6};
  const Matrix<const float> a(nullptr, 2, 0), b(nullptr, 0, 1);
  gemm(matrix_of(c, 1), a, false, b, false, 1.0f, 0.5f);
  EXPECT_EQ(c, (std::vector<float>{2, 3}));
  c = poisoned(2);
  gemm(matrix_of(c, 1), a, false, b, false);
  EXPECT_EQ(c, (std::vector<float>{0, 0}));
  gemm({nullptr, 0, 1}, {nullptr, 0, 2}, false, matrix_of(c, 1),
       false);  // nothing to write
}

struct GemmShape {
  int m, n, k;
};
class GemmShapeTest : public testing::TestWithParam<GemmShape> {};

TEST_P(GemmShapeTest, AgreesWithDoublePrecision) {
  const auto [m, n, k] = GetParam();
  TestStream stream;
  const std::vector<float> a = random_values(static_cast<std::size_t>(m) * k, 1);
  const std::vector<float> b = random_values(static_cast<std::size_t>(k) * n, 2);
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true}) {
      std::vector<float> c = poisoned(static_cast<std::size_t>(m) * n);
      gemm(matrix_of(c, n), matrix_of(a, transpose_a ? m : k), transpose_a,
           matrix_of(b, transpose_b ? k : n), transpose_b);
      std::vector<double> expected;
      for (int row = 0; row < m; ++row)
        for (int column = 0; column < n; ++column) {
          double sum = 0.0;
          for (int i = 0; i < k; ++i)
            sum += static_cast<double>(a[transpose_a ? i * m + row : row * k + i]) *
                   b[transpose_b ? column * k + i : i * n + column];
          expected.push_back(sum);
        }
      EXPECT_THAT(c, NearInNorm(expected, 1e-6)) << transpose_a << transpose_b;
    }
}
INSTANTIATE_TEST_SUITE_P(Shapes, GemmShapeTest,
                         testing::Values(GemmShape{1, 1, 1}, GemmShape{31, 33, 14},
                                         GemmShape{33, 24, 200}, GemmShape{257, 31, 129}));

TEST(GemmTest, TasksOfAPoolMayCallIt) {
  TestStream stream(4);
  const std::vector<float> a = random_values(64 * 64, 1);
  std::vector<std::vector<float>> c(8, poisoned(64 * 64));
  stream.pool.parallel_for(8, [&](int i) {
    gemm(matrix_of(c[static_cast<std::size_t>(i)], 64), matrix_of(a, 64), false, matrix_of(a, 64),
         true);
  });
  for (const auto& result : c) EXPECT_EQ(result, c[0]);
  EXPECT_FALSE(std::isnan(c[0][0]));
}

TEST(GemmTest, NamesTheShapesThatDoNotFit) {
  TestStream stream;
  std::vector<float> c(6), a(8), b(6);
  EXPECT_EQ(
      error_text<ShapeError>(
          [&] { gemm(matrix_of(c, 3), matrix_of(a, 4), false, matrix_of(b, 3), true); }),
      "gemm: a is [2, 4], b is [2, 3] transposed, c is [2, 3]; expected [m, k] times [k, n] to "
      "give [m, n].");
}

}  // namespace
}  // namespace mbrl
