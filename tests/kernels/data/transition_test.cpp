// Tests for kernels/data/transition.h.
#include "kernels/data/transition.h"

#include <gtest/gtest.h>

#include <vector>

namespace mbrl {
namespace {

TEST(TransitionTest, ARecordIsWrittenWholeWithItsPadding) {
  const TransitionLayout layout{2, 1};
  ASSERT_EQ(layout.pitch(), 8);
  const TransitionLayout wide{3, 2};
  ASSERT_EQ(wide.pitch(), 16);
  std::vector<float> record(16, -7.0f);
  const float observation[] = {1, 2, 3}, action[] = {4, 5}, next[] = {8, 9, 10};
  write_record(record.data(), wide, observation, action, 6.0f, true, next);
  EXPECT_EQ(record, (std::vector<float>{1, 2, 3, 4, 5, 6, 1, 8, 9, 10, 0, 0, 0, 0, 0, 0}));
}

TEST(TransitionTest, TheNextObservationMayLieInTheRecordAlready) {
  const TransitionLayout layout{2, 1};
  std::vector<float> record{-7, -7, -7, -7, -7, 8, 9, -7};
  const float observation[] = {1, 2}, action[] = {3};
  write_record(record.data(), layout, observation, action, 4.0f, false, record.data() + 5);
  EXPECT_EQ(record, (std::vector<float>{1, 2, 3, 4, 0, 8, 9, 0}));
}

}  // namespace
}  // namespace mbrl
