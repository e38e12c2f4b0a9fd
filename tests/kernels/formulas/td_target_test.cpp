// Tests for kernels/formulas/td_target.h.
#include "kernels/formulas/td_target.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(TdTargetTest, TerminatedStepKeepsOnlyItsReward) {
  EXPECT_EQ(td_target_value(2, 1, 10, 12, 0.5f, -1, 0.9f), 2.0f);
  EXPECT_NEAR(td_target_value(2, 0, 10, 8, 0.5f, -1, 0.9f), 2.0 + 0.9 * 8.5, 1e-6);
}

TEST(TdTargetTest, TheSmallerCriticCounts) {
  EXPECT_EQ(td_target_value(0, 0, 3, 5, 0.5f, 0, 1), 3.0f);
  EXPECT_EQ(td_target_value(0, 0, 7, 4, 0.5f, 0, 1), 4.0f);
}

TEST(TdTargetTest, EntropyRaisesTheTarget) {
  EXPECT_EQ(td_target_value(0, 0, 1, 1, 0.5f, -4, 1), 3.0f);
  EXPECT_EQ(td_target_value(0, 0, 1, 1, 0.0f, -4, 1), 1.0f);
}

TEST(TdTargetTest, NanInEitherCriticShows) {
  const float nan = std::nanf("");
  EXPECT_TRUE(std::isnan(td_target_value(0, 0, nan, 1, 0.5f, 0, 0.99f)));
  EXPECT_TRUE(std::isnan(td_target_value(0, 0, 1, nan, 0.5f, 0, 0.99f)));
}

TEST(TdTargetTest, AgreesWithDoublePrecision) {
  constexpr std::size_t kCount = 5000;
  const auto reward = random_values(kCount, 1), q1 = random_values(kCount, 2),
             q2 = random_values(kCount, 3), log_prob = random_values(kCount, 4);
  std::vector<float> got;
  std::vector<double> expected;
  for (std::size_t i = 0; i < kCount; ++i) {
    const bool terminated = i % 5 == 0;
    got.push_back(td_target_value(reward[i], terminated ? 1.0f : 0.0f, q1[i], q2[i], 0.3f,
                                  log_prob[i], 0.99f));
    const double next = std::fmin(q1[i], q2[i]) - static_cast<double>(0.3f) * log_prob[i];
    expected.push_back(reward[i] + (terminated ? 0.0 : 0.99 * next));
  }
  EXPECT_THAT(got, ElementsNear(expected));
}

}  // namespace
}  // namespace mbrl
