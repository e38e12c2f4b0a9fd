// Tests for tests/support/matchers.h: a matcher that never fails would hide everything else.
#include "tests/support/matchers.h"

#include <gtest/gtest.h>

namespace mbrl {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string explanation(const std::vector<float>& got, const std::vector<double>& expected,
                        Tolerance allowed) {
  testing::StringMatchResultListener listener;
  EXPECT_FALSE(ElementsNear(expected, allowed).MatchAndExplain(got, &listener));
  return listener.str();
}

TEST(ElementsNearTest, NamesTheWorstElement) {
  const std::string text = explanation({1.0f, 2.5f, 3.25f}, {1.0, 2.0, 3.0}, {0.0, 0.125});
  EXPECT_THAT(text, HasSubstr("2 of 3 elements are off"));
  EXPECT_THAT(text, HasSubstr("[1] is 2.5, expected 2, error 0.5 = 4 times the tolerance"));
}

TEST(ElementsNearTest, AllowsAbsolutePlusRelative) {
  EXPECT_THAT((std::vector<float>{101.5f}), ElementsNear({100.0}, {0.01, 0.5}));
  EXPECT_THAT((std::vector<float>{101.75f}), Not(ElementsNear({100.0}, {0.01, 0.5})));
}

TEST(ElementsNearTest, NanAndOtherLengthsAreNeverNear) {
  EXPECT_THAT(poisoned(1), Not(ElementsNear({std::nan("")}, {1e9, 1e9})));
  EXPECT_THAT(poisoned(1), Not(ElementsNear({0.0}, {1e9, 1e9})));
  EXPECT_THAT((std::vector<float>{1.0f}), Not(ElementsNear({1.0, 1.0})));
  EXPECT_THAT(explanation(poisoned(2), {0.0, 0.0}, {1.0, 1.0}), HasSubstr("[0] is nan"));
}

TEST(ElementsNearTest, InfinityIsNearItself) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_THAT((std::vector<float>{inf}), ElementsNear({inf}));
  EXPECT_THAT((std::vector<float>{inf}), Not(ElementsNear({-inf})));
  EXPECT_THAT((std::vector<float>{1.0f}), Not(ElementsNear({inf})));
}

TEST(NearInNormTest, NanIsFar) {
  EXPECT_THAT(poisoned(3), Not(NearInNorm(std::vector<double>{1, 1, 1}, 1e9)));
  EXPECT_THAT((std::vector<float>{3.0f, 4.0f}), NearInNorm(std::vector<double>{3.0, 4.0}, 1e-9));
  EXPECT_THAT((std::vector<float>{3.0f, 4.5f}),
              Not(NearInNorm(std::vector<double>{3.0, 4.0}, 0.09)));
}

}  // namespace
}  // namespace mbrl
