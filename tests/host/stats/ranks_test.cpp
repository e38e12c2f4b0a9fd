// Tests for host/stats/ranks.{h,cpp}. Expectations are scipy 1.17.1's (stats.spearmanr; the share of all
// permutations as stats.permutation_test with permutation_type="pairings" gives it).
#include "host/stats/ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "tests/support/error_text.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

TEST(AverageRanksTest, EqualValuesShareTheMeanOfTheirRanks) {
  EXPECT_EQ(average_ranks(std::vector<double>{2.0, 3.5, 1.0, 4.4, 4.4, 0.2}),
            (std::vector<double>{3.0, 4.0, 2.0, 5.5, 5.5, 1.0}));
}

TEST(RankCorrelationTest, CountsAllPermutationsOfFewPairs) {
  const RankCorrelation six = rank_correlation(std::vector<double>{2.1, 3.5, 1.0, 4.4, 4.4, 0.2},
                                               std::vector<double>{1.0, 2.0, 2.0, 5.5, 3.1, -1.0});
  EXPECT_NEAR(six.rho, 0.8823529411764706, 1e-15);
  EXPECT_NEAR(six.p, 0.03333333333333333, 1e-15);
  EXPECT_TRUE(six.is_exact);
  EXPECT_EQ(six.count, 6);
  const RankCorrelation five =
      rank_correlation(std::vector<double>{1, 2, 3, 4, 5}, std::vector<double>{5, 6, 7, 8, 7});
  EXPECT_NEAR(five.rho, 0.8207826816681233, 1e-15);
  EXPECT_NEAR(five.p, 0.13333333333333333, 1e-15);
  // 2 of the 3! orders are as far from none
  EXPECT_NEAR(rank_correlation(std::vector<double>{1, 2, 3}, std::vector<double>{-1, -2, -3}).p,
              2.0 / 6.0, 1e-15);
}

TEST(RankCorrelationTest, TakesStudentsTBeyondNinePairs) {
  std::uint64_t state = 12345;
  const auto next = [&] {
    state = (state * 1103515245 + 12345) % (std::uint64_t{1} << 31);
    return static_cast<double>(state) / static_cast<double>(std::uint64_t{1} << 31);
  };
  std::vector<double> x, y;
  for (int i = 0; i < 15; ++i) x.push_back(next());
  for (const double value : x) y.push_back(0.5 * value + 0.5 * next());
  y[3] = y[7];
  const RankCorrelation result = rank_correlation(x, y);
  EXPECT_NEAR(result.rho, 0.21626460825111604, 1e-14);
  EXPECT_NEAR(result.p, 0.438839173807695, 1e-12);
  EXPECT_FALSE(result.is_exact);
  EXPECT_EQ(rank_correlation(x, x).p, 0.0);
}

TEST(RankCorrelationTest, SaysWhatHasNoOrder) {
  const std::vector<double> two{1, 2}, flat{1, 1, 1}, rising{1, 2, 3}, broken{1, 2, NAN};
  EXPECT_THAT(error_text<DataError>([&] { rank_correlation(two, two); }), HasSubstr("at least 3"));
  EXPECT_THAT(error_text<DataError>([&] { rank_correlation(rising, flat); }),
              HasSubstr("are equal"));
  EXPECT_THAT(error_text<DataError>([&] { rank_correlation(broken, rising); }), HasSubstr("nan"));
  EXPECT_THAT(error_text<ShapeError>([&] { rank_correlation(two, rising); }),
              HasSubstr("x has 2 values, y 3"));
}

}  // namespace
}  // namespace mbrl
