// Tests for kernels/formulas/end_head.h and host/model/end_rule.{h,cpp}.
#include "kernels/formulas/end_head.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "host/model/end_rule.h"
#include "kernels/formulas/losses/gaussian_nll.h"
#include "kernels/formulas/losses/mse.h"

namespace mbrl {
namespace {

double cross_entropy(double logit, bool ends, const EndWeights& weights) {
  const double probability = 1.0 / (1.0 + std::exp(-logit));
  return ends ? -weights.ends * std::log(probability)
              : -weights.goes_on * std::log(1.0 - probability);
}

TEST(EndHeadTest, LossAndSlopeAreThoseOfWeightedCrossEntropy) {
  const EndWeights weights{0.6f, 3.0f};
  for (const float logit : {-4.0f, -0.3f, 0.0f, 0.7f, 5.0f})
    for (const bool ends : {false, true}) {
      const auto row = end_row<GaussianNllLoss>(logit, ends ? 1.0f : 0.0f, 0.25f, weights);
      EXPECT_NEAR(row.loss, cross_entropy(logit, ends, weights), 1e-5);
      const double slope = (cross_entropy(logit + 1e-5, ends, weights) -
                            cross_entropy(logit - 1e-5, ends, weights)) /
                           2e-5;
      EXPECT_NEAR(row.d_output[0], 0.25 * slope, 1e-5);
      EXPECT_EQ(row.d_output[1], 0.0f);
      EXPECT_EQ(row.d_shared[0], 0.0f);
      EXPECT_EQ(row.d_shared[1], 0.0f);
    }
}

TEST(EndHeadTest, FarFromTheTruthTheLossIsAStraightLine) {
  const auto row = end_row<MseLoss>(-500.0f, 1.0f, 1.0f, {1.0f, 2.0f});
  EXPECT_FLOAT_EQ(row.loss, 1000.0f);
  EXPECT_FLOAT_EQ(row.d_output[0], -2.0f);
  EXPECT_LT((end_row<MseLoss>(-500.0f, 0.0f, 1.0f, {}).loss), 1e-30f);
}

TEST(EndWeightsTest, BothKindsOfRowsCountAlikeInTotal) {
  const EndWeights weights = balanced_weights(std::vector<float>{0, 0, 1, 0, 0});
  EXPECT_FLOAT_EQ(weights.ends, 2.5f);
  EXPECT_FLOAT_EQ(weights.goes_on, 0.625f);
  EXPECT_FLOAT_EQ(4 * weights.goes_on, weights.ends);
}

TEST(EndWeightsTest, ARareRowHasALimitAndOneKindAloneNoWeight) {
  std::vector<float> ended(1000, 0.0f);
  EXPECT_EQ(balanced_weights(ended).ends, 1.0f);
  ended[7] = 1.0f;
  EXPECT_EQ(balanced_weights(ended).ends, kMaxEndWeight);
  EXPECT_NEAR(balanced_weights(ended).goes_on, 0.5005f, 1e-4f);
  const EndWeights all = balanced_weights(std::vector<float>(3, 1.0f));
  EXPECT_EQ(all.ends, 1.0f);
  EXPECT_EQ(all.goes_on, 1.0f);
}

// two members of four rows, of which one ends: two logits are above
TEST(EndThresholdTest, AsManyLogitsAreAboveAsRowsEnd) {
  EXPECT_FLOAT_EQ(matching_threshold({-3, 5, -2, 1, -4, 4, 0, -1}, 4, 1, {}), 2.5f);
  EXPECT_FLOAT_EQ(matching_threshold({-3, 5, -2, 1, -4, 4, 0, -1}, 4, 2, {}), -0.5f);
}

TEST(EndThresholdTest, WithoutEndsItIsAboveAllOrAtEvenOdds) {
  const EndWeights weights{0.5f, 8.0f};
  EXPECT_FLOAT_EQ(matching_threshold({-3, 1}, 2, 0, weights), std::log(16.0f));
  EXPECT_FLOAT_EQ(matching_threshold({-3, 7}, 2, 0, weights), 7.0f);
}

TEST(EndThresholdTest, WhereEveryRowEndsAllAreAbove) {
  const EndWeights weights{0.5f, 8.0f};
  EXPECT_LT(matching_threshold({-3, 1}, 2, 2, weights), -3.0f);
  EXPECT_GT(matching_threshold({-3, 1}, 2, 2, weights), -3.001f);
  EXPECT_FLOAT_EQ(matching_threshold({5, 4}, 2, 2, weights), std::log(16.0f));
}

}  // namespace
}  // namespace mbrl
