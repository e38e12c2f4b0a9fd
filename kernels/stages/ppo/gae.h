// Generalised advantage estimation (Schulman et al. 2015, arXiv:1506.02438).
#pragma once

#include <cstddef>

#include "base/hd.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"

namespace mbrl {

/// Advantage of one step, given that of the step after it in the same environment:
/// delta + discount lambda A', with delta = r + discount V(s') - V(s). A task that ended is worth
/// nothing afterwards; a time limit still counts V(s'), but the step after it is another episode's.
MBRL_HD float gae_step(float reward, float value, float next_value, float terminated,
                       float truncated, float next_advantage, float discount, float lambda) {
  const float goes_on = 1.0f - terminated;
  const float delta = reward + discount * goes_on * next_value - value;
  return delta + discount * lambda * goes_on * (1.0f - truncated) * next_advantage;
}

/// What the estimate reads, [T, N]: T consecutive steps of N environments.
struct GaeIn {
  Matrix<const float> reward, value;  // reward units; value of the observation acted on
  // value of the observation the step led to, before any reset; not used where terminated
  Matrix<const float> next_value;
  Matrix<const float> terminated, truncated;  // 0 or 1
};

/// All steps of environment `env`; the CPU loop and the CUDA kernel both call it.
MBRL_HD void gae_column(Matrix<float> advantage, Matrix<float> value_target, const GaeIn& in,
                        std::size_t env, float discount, float lambda) {
  float next_advantage = 0.0f;
  const auto N = static_cast<std::size_t>(advantage.size(1));
  for (int t = advantage.size(0) - 1; t >= 0; --t) {
    const std::size_t i = static_cast<std::size_t>(t) * N + env;
    const float value = in.value[i];
    next_advantage = gae_step(in.reward[i], value, in.next_value[i], in.terminated[i],
                              in.truncated[i], next_advantage, discount, lambda);
    advantage[i] = next_advantage;
    value_target[i] = next_advantage + value;
  }
}

/// Advantages by gae_step from the last step to the first, and targets of the value function.
///
/// Shapes   advantage, value_target and every array in `in`: [T, N] in the stream's memory. Either
///          output may be any of the inputs.
/// Units    both in reward units; discount and lambda per environment step.
/// Errors   ShapeError naming the first array whose shape is not that of advantage.
/// Cost     memory bound: 5 reads and 2 writes of 4 B per element; a chain of T steps, so a GPU
///          wants many environments. Deterministic.
/// Source   arXiv:1506.02438 eq. 16; value_target = advantage + value is the lambda-return.
void gae(Stream& stream, Matrix<float> advantage, Matrix<float> value_target, const GaeIn& in,
         float discount, float lambda);

namespace gpu {
MBRL_GPU_ONLY void gae(Stream& stream, Matrix<float> advantage, Matrix<float> value_target,
                       const GaeIn& in, float discount, float lambda);
}  // namespace gpu

}  // namespace mbrl
