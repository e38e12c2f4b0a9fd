// What soft actor-critic does with one row of a batch, and with the sums over its rows: losses and
// the gradients that its networks' backward passes start from. The target of the critics is in
// td_target.h, the squashing in squashed_gaussian.h.
//
// Losses are means over the batch: row_weight = 1 / batch size.
#pragma once

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

/// What an update measured, before its parameter steps.
struct SacLosses {
  float critic_loss[2];  // 0.5 mean squared TD error, reward units squared
  float actor_loss;      // reward units
  float alpha;           // reward units per nat
  float entropy;         // -mean log pi, nats
  float mean_q;          // mean of the first critic on the batch
};

/// What a row adds to the sums of an update.
enum SacTerm { kSacCriticLoss0, kSacCriticLoss1, kSacActorLoss, kSacLogProb, kSacQ, kNumSacTerms };

/// Loss of a critic on one row, and its derivative with respect to Q. td_error: Q(s, a) - y.
MBRL_HD double sac_critic_loss(float td_error) {
  return 0.5 * static_cast<double>(td_error) * td_error;
}
MBRL_HD float sac_critic_gradient(float td_error, float row_weight) {
  return td_error * row_weight;
}

/// Which critic counts at (s, a_pi): the smaller, the first of equals.
MBRL_HD int sac_smaller_critic(float q0, float q1) { return q1 < q0 ? 1 : 0; }

/// Loss of the actor on one row: alpha log pi - min Q.
MBRL_HD double sac_actor_loss(float alpha, float log_prob, float q0, float q1) {
  return static_cast<double>(alpha) * log_prob - min_f(q0, q1);
}
/// Its derivative with respect to the smaller critic's Q; that of the other is 0.
MBRL_HD float sac_actor_q_gradient(float row_weight) { return -row_weight; }
/// Its derivative with respect to log pi.
MBRL_HD float sac_actor_log_prob_gradient(float alpha, float row_weight) {
  return alpha * row_weight;
}

/// Derivative of the temperature's loss, -log_alpha mean(log pi + target_entropy), with respect to
/// log_alpha. mean_log_prob: of the actor's actions, nats.
MBRL_HD float sac_temperature_gradient(double mean_log_prob, float target_entropy) {
  return static_cast<float>(-(mean_log_prob + target_entropy));
}

/// From the means of the rows' terms.
MBRL_HD SacLosses sac_losses(const double (&mean)[kNumSacTerms], float alpha) {
  return {{static_cast<float>(mean[kSacCriticLoss0]), static_cast<float>(mean[kSacCriticLoss1])},
          static_cast<float>(mean[kSacActorLoss]),
          alpha,
          static_cast<float>(-mean[kSacLogProb]),
          static_cast<float>(mean[kSacQ])};
}

}  // namespace mbrl
