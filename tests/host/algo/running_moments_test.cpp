// Tests for host/algo/running_moments.{h,cpp}.
#include "host/algo/running_moments.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(RunningMomentsTest, MeanAndVarianceByHand) {
  RunningMoments moments(2);
  const std::vector<float> rows{1, 10, 3, 10, 8, 10};
  moments.add(matrix_of(rows, 2));
  EXPECT_EQ(moments.count(), 3.0);
  EXPECT_EQ(moments.mean(0), 4.0);
  EXPECT_NEAR(moments.variance(0), (9.0 + 1.0 + 16.0) / 3, 1e-12);
  EXPECT_EQ(moments.mean(1), 10.0);
  EXPECT_EQ(moments.variance(1), 0.0);
}

TEST(RunningMomentsTest, RowsInPiecesGiveTheSameAsAllAtOnce) {
  const std::vector<float> rows = random_values(300, 1);
  RunningMoments whole(3), pieces(3);
  whole.add(matrix_of(rows, 3));
  pieces.add({rows.data(), 40, 3});
  pieces.add({rows.data() + 120, 60, 3});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(pieces.mean(i), whole.mean(i));
    EXPECT_EQ(pieces.variance(i), whole.variance(i));
  }
}

TEST(RunningMomentsTest, NormalizedRowsHaveMeanZeroAndDeviationOne) {
  std::vector<float> rows = random_values(4000, 2, 3.0f);
  for (float& x : rows) x += 50.0f;
  RunningMoments moments(1);
  moments.add(matrix_of(rows, 1));
  std::vector<float> out = poisoned(rows.size());
  moments.normalize(matrix_of(rows, 1), matrix_of(out, 1));
  RunningMoments after(1);
  after.add(matrix_of(out, 1));
  EXPECT_NEAR(after.mean(0), 0.0, 1e-6);
  EXPECT_NEAR(after.variance(0), 1.0, 1e-5);
}

TEST(RunningMomentsTest, OutliersAreClippedAndConstantsAreZero) {
  RunningMoments moments(2);
  const std::vector<float> rows{-1, 7, 1, 7};
  moments.add(matrix_of(rows, 2));
  const std::vector<float> far{1000, 7};
  std::vector<float> out(2);
  moments.normalize(matrix_of(far, 2), matrix_of(out, 2));
  EXPECT_EQ(out, (std::vector<float>{10, 0}));
}

TEST(RunningMomentsTest, BeforeTwoRowsNothingIsScaled) {
  RunningMoments moments(1);
  EXPECT_EQ(moments.variance(0), 1.0);
  moments.add(5.0);
  EXPECT_EQ(moments.mean(0), 5.0);
  EXPECT_EQ(moments.variance(0), 1.0);
}

}  // namespace
}  // namespace mbrl
