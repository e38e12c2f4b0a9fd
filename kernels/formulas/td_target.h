// Soft temporal-difference target of the critics.
#pragma once

#include "cuda/buffer.h"
#include "base/hd.h"
#include "base/scalar.h"
#include "cuda/stream.h"

namespace mbrl {

/// y = r + discount (1 - terminated)(min(q1, q2) - alpha log_prob). A time limit leaves terminated
/// = 0, so it bootstraps. Haarnoja et al. 2018, arXiv:1812.05905, equation 5; twin minimum
/// arXiv:1802.09477.
MBRL_HD float td_target_value(float reward, float terminated, float next_q1, float next_q2,
                              float alpha, float next_log_prob, float discount) {
  const float next_value = min_f(next_q1, next_q2) - alpha * next_log_prob;
  return reward + discount * (1.0f - terminated) * next_value;
}

/// What the target reads. Arrays are [B]; alpha is one f32 beside them, because it changes from
/// update to update.
struct TdTargetIn {
  Vector<const float> reward, terminated;               // reward units, 0 or 1
  Vector<const float> next_q1, next_q2, next_log_prob;  // reward units, reward units, nats
  const float* alpha;                                   // reward units per nat
};

/// The target of every row by td_target_value.
///
/// Shapes   target and every array in `in`: [B]. target may be any of them.
/// Units    target in reward units; discount per environment step.
/// Errors   ShapeError naming the first array whose length differs from target's.
/// Cost     memory bound: 5 reads and 1 write of 4 B per row. Deterministic.
/// Source   Haarnoja et al. 2018, arXiv:1812.05905, equation 5; Fujimoto et al. 2018,
/// arXiv:1802.09477.
void td_target(Stream& stream, Vector<float> target, const TdTargetIn& in, float discount);

namespace gpu {
MBRL_GPU_ONLY void td_target(Stream& stream, Vector<float> target, const TdTargetIn& in,
                             float discount);
}  // namespace gpu

}  // namespace mbrl
