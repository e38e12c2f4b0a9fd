// Tests for kernels/formulas/polyak.h.
#include "kernels/formulas/polyak.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(PolyakTest, MovesByTheShareTau) {
  EXPECT_EQ(polyak(0.0f, 8.0f, 0.25f), 2.0f);
  EXPECT_EQ(polyak(10.0f, 10.0f, 0.25f), 10.0f);
  EXPECT_EQ(polyak(-4.0f, 4.0f, 0.25f), -2.0f);
}

TEST(PolyakTest, ZeroKeepsAndOneCopies) {
  EXPECT_EQ(polyak(3.0f, 7.0f, 0.0f), 3.0f);
  EXPECT_EQ(polyak(3.0f, 7.0f, 1.0f), 7.0f);
}

TEST(PolyakTest, EqualNetworksStayEqual) {
  const auto x = random_values(1000, 1);
  for (const float v : x) EXPECT_EQ(polyak(v, v, 0.005f), v);
}

TEST(PolyakTest, AgreesWithDoublePrecision) {
  std::vector<float> target = random_values(5000, 1);
  const auto source = random_values(target.size(), 2);
  std::vector<double> expected;
  for (std::size_t i = 0; i < target.size(); ++i) {
    expected.push_back(0.995 * target[i] + 0.005 * source[i]);
    target[i] = polyak(target[i], source[i], 0.005f);
  }
  EXPECT_THAT(target, ElementsNear(expected, {0x1p-23, 1e-8}));
}

}  // namespace
}  // namespace mbrl
