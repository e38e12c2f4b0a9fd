// Tests for kernels/formulas/polyak.{h,cpp}.
#include "kernels/formulas/polyak.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(PolyakTest, MovesByTheShareTau) {
  TestStream stream;
  std::vector<float> target{0, 10, -4};
  const std::vector<float> source{8, 10, 4};
  polyak_average(stream, vector_of(target), vector_of(source), 0.25f);
  EXPECT_EQ(target, (std::vector<float>{2, 10, -2}));
}

TEST(PolyakTest, ZeroKeepsAndOneCopies) {
  EXPECT_EQ(polyak(3.0f, 7.0f, 0.0f), 3.0f);
  EXPECT_EQ(polyak(3.0f, 7.0f, 1.0f), 7.0f);
}

TEST(PolyakTest, EqualNetworksStayEqual) {
  const auto x = random_values(1000, 1);
  for (const float v : x) EXPECT_EQ(polyak(v, v, 0.005f), v);
}

TEST(PolyakTest, AgreesWithDoublePrecisionAtAllSizes) {
  TestStream stream;
  for (const std::size_t n : {1u, 31u, 33u, 257u, 40001u}) {
    std::vector<float> target = random_values(n, 1);
    const auto source = random_values(n, 2);
    std::vector<double> expected;
    for (std::size_t i = 0; i < n; ++i) expected.push_back(0.995 * target[i] + 0.005 * source[i]);
    polyak_average(stream, vector_of(target), vector_of(source), 0.005f);
    EXPECT_THAT(target, ElementsNear(expected, {0x1p-23, 1e-8})) << n;
  }
}

TEST(PolyakTest, NamesTheLengths) {
  TestStream stream;
  std::vector<float> three(3), two(2);
  EXPECT_EQ(error_text<ShapeError>(
                [&] { polyak_average(stream, vector_of(three), vector_of(two), 0.5f); }),
            "polyak_average: target is [3], source is [2]; expected the same shape.");
}

}  // namespace
}  // namespace mbrl
