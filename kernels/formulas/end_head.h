// The end of an episode as a model predicts it with its last target: a logit, learned by balanced
// cross-entropy. Other targets have the model's own loss (losses/loss.h).
#pragma once

#include "base/hd.h"
#include "base/scalar.h"
#include "kernels/formulas/losses/loss.h"

namespace mbrl {

/// How much a row counts in the loss of the end: one whose episode goes on, and one that ends it.
struct EndWeights {
  float goes_on = 1.0f, ends = 1.0f;
};

/// Loss of the end of one row, in place of Loss's; what Loss has beside the prediction learns
/// nothing from it.
///
///   w softplus(-z) where the episode ends, w softplus(z) where it goes on
template <typename Loss>
MBRL_HD LossRow<Loss::kOutputs, Loss::kShared> end_row(float logit, float ended, float weight,
                                                       const EndWeights& weights) {
  const bool ends = ended > 0.5f;
  const float away = ends ? -logit : logit;  // from the truth
  const float class_weight = ends ? weights.ends : weights.goes_on;
  const float slope = class_weight * sigmoid_f(away);
  return {class_weight * softplus_f(away), {weight * (ends ? -slope : slope)}, {}};
}

}  // namespace mbrl
