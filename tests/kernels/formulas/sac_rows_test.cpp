// Tests for kernels/formulas/sac_rows.h: values by hand, gradients by central differences.
#include "kernels/formulas/sac_rows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/reference.h"

namespace mbrl {
namespace {

TEST(SacRowsTest, CriticByHand) {
  // half of 3 squared; a batch of 4
  EXPECT_EQ(sac_critic_loss(-3.0f), 4.5);
  EXPECT_EQ(sac_critic_gradient(-3.0f, 0.25f), -0.75f);
}

TEST(SacRowsTest, CriticGradientAgreesWithCentralDifferences) {
  for (double error : {-2.5, 0.0, 1e-3, 7.0}) {
    const auto loss = [&] { return 0.125 * 0.5 * error * error; };
    EXPECT_NEAR(sac_critic_gradient(static_cast<float>(error), 0.125f),
                reference::derivative(error, loss), 1e-6);
  }
}

TEST(SacRowsTest, TheSmallerCriticCountsAndTheFirstOfEquals) {
  EXPECT_EQ(sac_smaller_critic(1.0f, 2.0f), 0);
  EXPECT_EQ(sac_smaller_critic(2.0f, 1.0f), 1);
  EXPECT_EQ(sac_smaller_critic(1.0f, 1.0f), 0);
}

TEST(SacRowsTest, ActorByHand) {
  // alpha 0.5, log pi -4: -2; less the smaller Q, 3
  EXPECT_EQ(sac_actor_loss(0.5f, -4.0f, 5.0f, 3.0f), -5.0);
  EXPECT_EQ(sac_actor_q_gradient(0.25f), -0.25f);
  EXPECT_EQ(sac_actor_log_prob_gradient(0.5f, 0.25f), 0.125f);
  EXPECT_TRUE(std::isnan(sac_actor_loss(0.5f, -4.0f, std::nanf(""), 3.0f)));
}

TEST(SacRowsTest, TemperatureFallsWhileTheEntropyIsAboveItsTarget) {
  // entropy 2 against a target of -1: loss -log_alpha (-2 - 1), gradient 3
  EXPECT_EQ(sac_temperature_gradient(-2.0, -1.0f), 3.0f);
  EXPECT_EQ(sac_temperature_gradient(1.0, -1.0f), 0.0f);
}

TEST(SacRowsTest, LossesNameTheMeans) {
  const double mean[kNumSacTerms] = {1, 2, 3, 4, 5};
  const SacLosses losses = sac_losses(mean, 0.7f);
  EXPECT_EQ(losses.critic_loss[0], 1.0f);
  EXPECT_EQ(losses.critic_loss[1], 2.0f);
  EXPECT_EQ(losses.actor_loss, 3.0f);
  EXPECT_EQ(losses.alpha, 0.7f);
  EXPECT_EQ(losses.entropy, -4.0f);
  EXPECT_EQ(losses.mean_q, 5.0f);
}

}  // namespace
}  // namespace mbrl
