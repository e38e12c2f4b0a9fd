// What the kernels of a SAC update share: the arrays of the stage, the plan of a call, the TD error
// of a row and the end of an update.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

#include "cuda/kernel.cuh"
#include "kernels/formulas/squashed_gaussian.h"
#include "kernels/formulas/td_target.h"
#include "kernels/gpu/device_mlp.h"
#include "kernels/gpu/reduce.cuh"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl::gpu {

/// What a call decides. The Adam constants of each of its updates follow it.
struct alignas(16) SacPlan {
  std::uint64_t first_update;
  MixedSource source;
  std::uint64_t act_step;
};

/// What every kernel of the stage reads. Arrays without a shape are [batch].
struct SacArrays {
  MlpTable actor, critic;
  NetworkArrays actor_arrays, critic_arrays[2];
  SavedLayout actor_saved_layout, critic_saved_layout;
  void *actor_saved, *critic_saved[2];  // operands of the precision
  void* critic_pi_saved[2];             // critics on (s, a_pi): what their backward pass needs
  float* actor_output;                  // [batch, padded(2A)]
  float* pi_action_gradient[2];         // [batch, A]: dQ_i / da_pi
  float* batch;                         // [updates][batch, pitch]
  float *q[2], *pi_q[2];                // critics on (s, a) and on (s, a_pi)
  float* target_q[2];                   // averaged critics on (s', a')
  float* td_error[2];                   // Q_i(s, a) - y
  float *log_prob, *next_log_prob;      // of a_pi and of a'
  float* alpha;                         // 1: the temperature that this update uses
  int* arrivals[2];  // [tiles]: blocks of a tile that are done; 0 between kernels
  float *log_alpha, *log_alpha_m, *log_alpha_v;
  const SacPlan* plan;
  const AdamStep* adam;
  int S, A, batch_size;
  float row_weight;  // 1 / batch_size
  int pitch;         // of an activation tile in shared memory
  TransitionLayout layout;

  /// What belongs to the caller: a recording holds these addresses.
  auto borrowed() const {
    return std::tuple(actor_arrays, critic_arrays[0], critic_arrays[1], log_alpha, log_alpha_m,
                      log_alpha_v);
  }
  __device__ const float* record(int update, int row) const {
    return batch + (static_cast<std::size_t>(update) * batch_size + row) * layout.pitch();
  }
};

/// The part of SacConstants that kernels read.
struct SacRule {
  float discount, tau, target_entropy;
  std::uint32_t seed, learner;

  MBRL_HD RandomKey key(Purpose purpose) const { return {seed, purpose, learner}; }
  bool operator==(const SacRule&) const = default;
};

/// Writes td_error of one row, once critics and targets have been evaluated on it.
__device__ inline void find_td_errors(const SacArrays& a, const SacRule& rule, int update, int row,
                                      float alpha) {
  const float* record = a.record(update, row);
  const float y =
      td_target_value(record[a.layout.reward()], record[a.layout.terminated()], a.target_q[0][row],
                      a.target_q[1][row], alpha, a.next_log_prob[row], rule.discount);
  for (int i = 0; i < 2; ++i) a.td_error[i][row] = a.q[i][row] - y;
}

/// dL/dQ_i of one row, as it travels backward.
__device__ inline float critic_gradient(const SacArrays& a, int row, int critic,
                                        Precision precision) {
  return scaled_gradient(sac_critic_gradient(a.td_error[critic][row], a.row_weight), precision);
}

/// dL/da_pi of one row: through the smaller critic, whose backward pass started from 1.
__device__ inline float pi_action_gradient(const SacArrays& a, int row, int k) {
  const int smaller = sac_smaller_critic(a.pi_q[0][row], a.pi_q[1][row]);
  return sac_actor_q_gradient(a.row_weight) * a.pi_action_gradient[smaller][row * a.A + k];
}

/// Losses of the update and the temperature's own step, by one block of kBlockThreads. scratch: a
/// double per warp in shared memory.
__device__ inline void finish_update(const SacArrays& a, const SacRule& rule, int update,
                                     double* scratch, SacLosses* losses) {
  double mean[kNumSacTerms] = {};
  for (int row = static_cast<int>(threadIdx.x); row < a.batch_size; row += kBlockThreads) {
    for (int i = 0; i < 2; ++i) mean[kSacCriticLoss0 + i] += sac_critic_loss(a.td_error[i][row]);
    mean[kSacActorLoss] +=
        sac_actor_loss(*a.alpha, a.log_prob[row], a.pi_q[0][row], a.pi_q[1][row]);
    mean[kSacLogProb] += a.log_prob[row];
    mean[kSacQ] += a.q[0][row];
  }
  for (double& sum : mean) sum = block_sum(sum, scratch) / a.batch_size;
  if (threadIdx.x != 0) return;
  losses[update] = sac_losses(mean, *a.alpha);
  adam_update(*a.log_alpha, *a.log_alpha_m, *a.log_alpha_v,
              sac_temperature_gradient(mean[kSacLogProb], rule.target_entropy), a.adam[update]);
}

}  // namespace mbrl::gpu
