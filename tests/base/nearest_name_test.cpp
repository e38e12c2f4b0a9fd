// Tests for base/nearest_name.h.
#include "base/nearest_name.h"

#include <gtest/gtest.h>

#include <chrono>

namespace mbrl {
namespace {

TEST(EditDistanceTest, CountsInsertsDeletesReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("run", "run"), 0);
  EXPECT_EQ(edit_distance("run", "runs"), 1);
  EXPECT_EQ(edit_distance("run", "un"), 1);
  EXPECT_EQ(edit_distance("run", "ran"), 1);
  EXPECT_EQ(edit_distance("rnu", "run"), 1);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

TEST(EditDistanceTest, IgnoresCase) { EXPECT_EQ(edit_distance("Hopper", "hopper"), 0); }

TEST(NearestNameTest, FindsMisspeltNames) {
  const std::vector<std::string> known = {"cartpole", "hopper", "pendulum"};
  EXPECT_EQ(nearest_name("hoper", known), "hopper");
  EXPECT_EQ(nearest_name("Pendulm", known), "pendulum");
  EXPECT_EQ(nearest_name("carptole", known), "cartpole");
}

TEST(NearestNameTest, StaysSilentWhereNothingIsNear) {
  EXPECT_EQ(nearest_name("walker2d", {"cartpole", "hopper"}), "");
  EXPECT_EQ(nearest_name("x", {"y"}), "");
  EXPECT_EQ(nearest_name("hopper", {}), "");
}

TEST(NearestNameTest, ANameOfAMegabyteTakesNoTime) {
  const std::vector<std::string> known(1000, std::string(200, 'a'));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(nearest_name(std::string(1 << 20, 'a'), known), "");
  EXPECT_EQ(nearest_name(std::string(1 << 20, 'a'), {std::string(1 << 20, 'b')}), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST(NearestNameTest, TakesTheFirstOfEquals) {
  EXPECT_EQ(nearest_name("bat", {"cat", "rat"}), "cat");
}

}  // namespace
}  // namespace mbrl
