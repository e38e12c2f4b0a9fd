// Part: a policy and critics that soft actor-critic improves (Haarnoja et al. 2018,
// arXiv:1812.05905).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "host/algo/evaluator.h"
#include "host/algo/part.h"
#include "host/algo/parts/environments.h"
#include "kernels/stages/policy/policy.h"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl {

class SoftActorCritic : public Part {
 public:
  /// Declares critic_loss, actor_loss, alpha, entropy and mean_q. Acts in the one environment.
  SoftActorCritic(Context& context, const Environments& environments);

  /// A stochastic action at this env step.
  void act(Matrix<const float> observation, Matrix<float> action);
  /// ln of the density that the last action of act() was drawn from, as policy_log_prob gives it.
  float last_log_prob() const { return last_log_prob_; }

  /// A copy of the policy for `num_rows` observations at once, which acts on `stream`.
  std::unique_ptr<PolicyCopy> copy_policy(Stream& stream, int num_rows);

  /// sac.updates_per_step updates on batches of `source`, once it has loop.min_replay_size real
  /// rows; then the action of the next step, which the same launch computes on a GPU.
  ///
  /// Returns  the mean critic loss of the updates, NaN if there were none.
  double update(const MixedSource& source);

  const SacState& state() const { return state_; }
  const GaussianActor& actor() const { return state_.actor; }
  std::int64_t num_updates() const { return state_.num_updates; }

  void visit(Archive& archive) override;

 private:
  const Environments& environments_;
  SacState state_;
  SacWorkspace workspace_;
  PolicyWorkspace act_workspace_;
  Metric critic_loss_, actor_loss_, alpha_, entropy_, mean_q_;
  std::vector<SacLosses> losses_;   // of the updates of a step
  std::vector<float> next_action_;  // computed ahead of time
  float next_log_prob_ = 0.0f;      // of it
  float last_log_prob_ = 0.0f;
  std::int64_t next_action_step_ = -1;  // env step that it is for
};

}  // namespace mbrl
