// Soft temporal-difference target of the critics.
#pragma once

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

/// y = r + discount (1 - terminated)(min(q1, q2) - alpha log_prob). A time limit leaves terminated
/// = 0, so it bootstraps. Haarnoja et al. 2018, arXiv:1812.05905, equation 5; twin minimum
/// arXiv:1802.09477.
MBRL_HD float td_target_value(float reward, float terminated, float next_q1, float next_q2,
                              float alpha, float next_log_prob, float discount) {
  const float next_value = min_f(next_q1, next_q2) - alpha * next_log_prob;
  return reward + discount * (1.0f - terminated) * next_value;
}

}  // namespace mbrl
