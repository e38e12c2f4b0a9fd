// Tests for kernels/formulas/losses: every loss of the list keeps the contract of losses/loss.h.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/rng.h"
#include "kernels/formulas/losses/list.h"

namespace mbrl {
namespace {

std::vector<EnsembleLoss> all_losses() {
  std::vector<EnsembleLoss> losses;
  for (const std::string& name : ensemble_loss_names()) losses.push_back(find_ensemble_loss(name));
  return losses;
}

class LossTest : public testing::TestWithParam<EnsembleLoss> {};

TEST_P(LossTest, GradientsMatchDifferences) {
  with_loss(GetParam(), []<typename Loss>() {
    const RandomKey key{3, Purpose{1}, 0};
    for (int trial = 0; trial < 50; ++trial) {
      float at[Loss::kOutputs + Loss::kShared + 1];
      for (int i = 0; i < Loss::kOutputs + Loss::kShared; ++i) at[i] = normal(key, trial, 0, i);
      const float target = normal(key, trial, 1, 0);
      const auto term = Loss::row(at, at + Loss::kOutputs, target, 0.25f);
      for (int i = 0; i < Loss::kOutputs + Loss::kShared; ++i) {
        constexpr float kStep = 1e-2f;
        const float middle = at[i];
        at[i] = middle + kStep;
        const double high = Loss::row(at, at + Loss::kOutputs, target, 1.0f).loss;
        at[i] = middle - kStep;
        const double low = Loss::row(at, at + Loss::kOutputs, target, 1.0f).loss;
        at[i] = middle;
        const double wanted = 0.25 * (high - low) / (2.0 * kStep);
        const double got =
            i < Loss::kOutputs ? term.d_output[i] : term.d_shared[i - Loss::kOutputs];
        EXPECT_NEAR(got, wanted, 1e-3 * (1.0 + std::abs(wanted))) << "argument " << i;
      }
    }
  });
}

TEST_P(LossTest, DrawsCenterOnTheFirstOutput) {
  with_loss(GetParam(), []<typename Loss>() {
    const float output[2] = {1.5f, -2.0f}, shared[2] = {0.5f, -10.0f};
    const float mean = Loss::sample(output, shared, 0.0f);
    EXPECT_EQ(mean, output[0]);
    const float up = Loss::sample(output, shared, 1.0f) - mean;
    EXPECT_EQ(up > 0.0f, Loss::kNoise);
    EXPECT_FLOAT_EQ(mean - Loss::sample(output, shared, -1.0f), up);
  });
}

TEST_P(LossTest, IsFoundByItsName) {
  const LossShape shape = loss_shape(GetParam());
  EXPECT_EQ(find_ensemble_loss(shape.name), GetParam());
  EXPECT_GE(shape.num_outputs, 1);
}

INSTANTIATE_TEST_SUITE_P(All, LossTest, testing::ValuesIn(all_losses()),
                         [](const auto& test) { return loss_shape(test.param).name; });

TEST(LossListTest, NamesDiffer) {
  const std::vector<std::string> names = ensemble_loss_names();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  EXPECT_EQ(names.front(), "gaussian_nll") << "the default";
}

TEST(MseLossTest, ByHand) {
  const float output = 3.0f;
  const auto row = MseLoss::row(&output, nullptr, 1.0f, 0.5f);
  EXPECT_EQ(row.loss, 4.0f);
  EXPECT_EQ(row.d_output[0], 2.0f);
}

TEST(GaussianNllLossTest, ADrawIsTheMeanPlusDeviationTimesNoise) {
  // between far bounds the log variance is the raw output: ln 4, deviation 2
  const float output[2] = {1.0f, std::log(4.0f)}, shared[2] = {30.0f, -30.0f};
  EXPECT_NEAR(GaussianNllLoss::sample(output, shared, 1.5f), 4.0f, 1e-5f);
}

}  // namespace
}  // namespace mbrl
