// From rows that end an episode, or do not, to how a model learns and predicts ends.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/formulas/end_head.h"

namespace mbrl {

/// Of a row of the rarer class, so that a few of them do not decide every step alone.
inline constexpr float kMaxEndWeight = 100.0f;

/// Weights with which rows that end (1) and rows that do not (0) count alike in total: all rows by
/// twice those of the class, at most kMaxEndWeight. Both are 1 where there is one class alone.
EndWeights balanced_weights(std::span<const float> ended);

/// The threshold that as many logits are above as rows end: between the two logits there. Where no
/// row ends, or every one, it is the logit of even odds if that is beyond them all, else the
/// outermost logit.
///
/// Shapes   logits: [members N] of N rows of which num_ended end, in any order, all finite.
/// Cost     a sort.
float matching_threshold(std::vector<float> logits, std::size_t num_rows, std::size_t num_ended,
                         const EndWeights& weights);

}  // namespace mbrl
