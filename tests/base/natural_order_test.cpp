// Tests for base/natural_order.h.
#include "base/natural_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace mbrl {
namespace {

TEST(NaturalOrderTest, NumbersCountByTheirValues) {
  EXPECT_LT(natural_order("seed-2", "seed-10"), 0);
  EXPECT_GT(natural_order("seed-10", "seed-2"), 0);
  EXPECT_EQ(natural_order("seed-2", "seed-2"), 0);
  EXPECT_EQ(natural_order("seed-02", "seed-2"), 0);
  EXPECT_LT(natural_order("a2b9", "a2b10"), 0);
  EXPECT_LT(natural_order("99999999999999999999", "100000000000000000000"), 0);
}

TEST(NaturalOrderTest, AllElseByteByByte) {
  EXPECT_LT(natural_order("", "a"), 0);
  EXPECT_LT(natural_order("seed", "seed-1"), 0);
  EXPECT_LT(natural_order("B", "a"), 0);
  EXPECT_LT(natural_order("z", "\xc3\xa4"), 0);
  EXPECT_LT(natural_order("1", "a"), 0);
}

TEST(NaturalOrderTest, PathsPartByPart) {
  std::vector<std::filesystem::path> paths{"r/seed-10/x", "r/seed-2", "r/seed-10", "r",
                                           "r/seed-2/y",  "r.b",      "r/seed-02"};
  std::sort(paths.begin(), paths.end(), natural_less);
  EXPECT_THAT(paths, testing::ElementsAre("r", "r/seed-02", "r/seed-2", "r/seed-2/y", "r/seed-10",
                                          "r/seed-10/x", "r.b"));
}

}  // namespace
}  // namespace mbrl
