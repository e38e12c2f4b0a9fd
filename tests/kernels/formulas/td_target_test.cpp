// Tests for kernels/formulas/td_target.{h,cpp}.
#include "kernels/formulas/td_target.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

struct Batch {
  std::vector<float> reward, terminated, next_q1, next_q2, next_log_prob;
  float alpha = 0.5f;

  TdTargetIn in() const {
    return {vector_of(reward),  vector_of(terminated),    vector_of(next_q1),
            vector_of(next_q2), vector_of(next_log_prob), &alpha};
  }
};

std::vector<float> targets(const Batch& batch, float discount) {
  TestStream stream;
  std::vector<float> target = poisoned(batch.reward.size());
  td_target(stream, vector_of(target), batch.in(), discount);
  return target;
}

TEST(TdTargetTest, TerminatedStepKeepsOnlyItsReward) {
  const Batch batch{{2, 2}, {1, 0}, {10, 10}, {12, 8}, {-1, -1}};
  EXPECT_THAT(targets(batch, 0.9f), ElementsNear({2.0, 2.0 + 0.9 * 8.5}));
}

TEST(TdTargetTest, TheSmallerCriticCounts) {
  const Batch batch{{0, 0}, {0, 0}, {3, 7}, {5, 4}, {0, 0}};
  EXPECT_THAT(targets(batch, 1.0f), ElementsNear({3.0, 4.0}));
}

TEST(TdTargetTest, EntropyRaisesTheTarget) {
  Batch batch{{0}, {0}, {1}, {1}, {-4}};
  EXPECT_THAT(targets(batch, 1.0f), ElementsNear({1.0 + 0.5 * 4.0}));
  batch.alpha = 0.0f;
  EXPECT_THAT(targets(batch, 1.0f), ElementsNear({1.0}));
}

TEST(TdTargetTest, NanInEitherCriticShows) {
  const float nan = std::nanf("");
  const Batch batch{{0, 0}, {0, 0}, {nan, 1}, {1, nan}, {0, 0}};
  for (const float y : targets(batch, 0.99f)) EXPECT_TRUE(std::isnan(y));
}

TEST(TdTargetTest, AgreesWithDoublePrecisionAtAllSizes) {
  for (const std::size_t B : {1u, 31u, 33u, 257u, 4096u, 40000u}) {
    Batch batch{random_values(B, 1), std::vector<float>(B), random_values(B, 2),
                random_values(B, 3), random_values(B, 4)};
    batch.alpha = 0.3f;
    std::vector<double> expected;
    for (std::size_t i = 0; i < B; ++i) {
      batch.terminated[i] = i % 5 == 0 ? 1.0f : 0.0f;
      const double next = std::fmin(batch.next_q1[i], batch.next_q2[i]) -
                          static_cast<double>(batch.alpha) * batch.next_log_prob[i];
      expected.push_back(batch.reward[i] + (i % 5 == 0 ? 0.0 : 0.99 * next));
    }
    EXPECT_THAT(targets(batch, 0.99f), ElementsNear(expected)) << B;
  }
}

TEST(TdTargetTest, MayOverwriteItsInput) {
  TestStream stream;
  Batch batch{random_values(50, 1), std::vector<float>(50), random_values(50, 2),
              random_values(50, 3), random_values(50, 4)};
  const auto expected = targets(batch, 0.9f);
  td_target(stream, vector_of(batch.reward), batch.in(), 0.9f);
  EXPECT_EQ(batch.reward, expected);
}

TEST(TdTargetTest, NamesTheFirstArrayOfAnotherLength) {
  const Batch batch{{1, 2}, {0, 0}, {1, 2}, {1, 2, 3}, {1}};
  EXPECT_EQ(error_text<ShapeError>([&] { targets(batch, 0.9f); }),
            "td_target: target is [2], next_q2 is [3]; expected the same shape.");
}

}  // namespace
}  // namespace mbrl
