// Tests for host/stats/welch.{h,cpp}.
//
// Values of scipy are those of scipy.stats.ttest_ind(a, b, equal_var=False), its attributes
// statistic, df and pvalue, and its confidence_interval(), scipy 1.17.1 (`pip install scipy`).
#include "host/stats/welch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace mbrl {
namespace {

using Values = std::vector<double>;

TEST(WelchTest, ByHand) {
  // variances 2 and 2, squared errors 1 and 1: t = -2 / sqrt(2), df = 2^2 / (1 + 1) = 2; Student's
  // distribution function with 2 degrees of freedom is 1/2 + t / (2 sqrt(2 + t^2)), here at t^2 = 2
  const WelchResult result = welch_test("a", Values{0, 2}, "b", Values{2, 4});
  EXPECT_EQ(result.difference, -2.0);
  EXPECT_NEAR(result.t, -1.4142135623730951, 1e-12);
  EXPECT_NEAR(result.df, 2.0, 1e-12);
  EXPECT_NEAR(result.p, 1.0 - 1.4142135623730951 / 2.0, 1e-12);
}

TEST(WelchTest, AgreesWithScipy) {
  const WelchResult result = welch_test("a", Values{3012.5, 2875, 3190.25, 2604, 3321.5}, "b",
                                        Values{2410, 2987.5, 1820.25, 2555});
  EXPECT_NEAR(result.difference, 557.4625, 1e-9);
  EXPECT_NEAR(result.t, 2.0524857329514195, 1e-12);
  EXPECT_NEAR(result.df, 4.57885158541916, 1e-11);
  EXPECT_NEAR(result.p, 0.1005173043076097, 1e-12);
  EXPECT_NEAR(result.interval.low, -160.48090704393587, 1e-8);
  EXPECT_NEAR(result.interval.high, 1275.4059070439362, 1e-8);
}

TEST(WelchTest, AgreesWithScipyForUnequalSpreadsAndASmallP) {
  const WelchResult result =
      welch_test("a", Values{1e-3, 2e-3}, "b", Values{100, 101, 102, 103, 104, 106, 107}, 0.99);
  EXPECT_NEAR(result.t, -106.5989719655671, 1e-10);
  EXPECT_NEAR(result.df, 6.000003195650046, 1e-11);
  EXPECT_NEAR(result.p / 4.5938756154442883e-11, 1.0, 1e-9);
  EXPECT_NEAR(result.interval.low, -106.87635686824206, 1e-8);
  EXPECT_NEAR(result.interval.high, -99.69207170318654, 1e-8);
}

TEST(WelchTest, SwappingTheGroupsChangesTheSignAlone) {
  const Values a{1, 2, 4}, b{3, 5, 9, 11};
  const WelchResult ab = welch_test("a", a, "b", b), ba = welch_test("b", b, "a", a);
  EXPECT_EQ(ab.t, -ba.t);
  EXPECT_EQ(ab.p, ba.p);
  EXPECT_EQ(ab.interval.low, -ba.interval.high);
}

std::string error_of(const Values& a, const Values& b) {
  try {
    welch_test("mbpo", a, "autombpo", b);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(WelchTest, OneRunInAGroupIsAnErrorThatNamesIt) {
  EXPECT_EQ(error_of({1, 2}, {3}),
            "Welch's test: autombpo has 1 run; a variance needs at least 2. Train more seeds "
            "(`mbrl_gpu run <config> seed=1`).");
}

TEST(WelchTest, EqualConstantsAreAnError) {
  EXPECT_EQ(error_of({0.5, 0.5, 0.5}, {2, 2}),
            "Welch's test: all runs of mbpo give 0.5 and all of autombpo give 2; without spread "
            "there is no t statistic. Are they copies of one run?");
  EXPECT_EQ(error_of({7, 7}, {1, 2}), "") << "spread in one group is enough";
}

}  // namespace
}  // namespace mbrl
