// What algorithms around soft actor-critic share: real replay, the policy and its updates.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "host/algo/learner.h"
#include "host/replay/replay.h"
#include "kernels/stages/policy/policy.h"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl {

/// One environment, real experience and soft actor-critic. An algorithm adds step().
class SacLearner : public Learner {
 public:
  SacLearner(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index);

  std::int64_t num_updates() const override { return sac_.num_updates; }
  const SacState& policy() const { return sac_; }
  const Replay& real_replay() const { return real_; }

  nlohmann::json state() override;
  void set_state(const nlohmann::json& state) override;
  std::vector<TensorRef> weight_tensors() override;
  std::vector<TensorRef> replay_tensors() override;
  void finish_loading() override;

 protected:
  /// One step in the environment: a uniform random action while exploring, else the policy's.
  void collect();

  /// `count` policy updates on batches of num_real real rows, the rest from `imagined`; then the
  /// action of the next step, which the same launch computes on a GPU.
  /// Returns the mean critic loss of the updates, NaN if there were none.
  double update_policy(int count, const TransitionsView& imagined, double real_ratio);

  /// An action is about to be taken; `random` while exploring.
  virtual void on_action(const float* /*observation*/, const float* /*action*/, bool /*random*/) {}

  void act(Matrix<const float> observation, Matrix<float> action) override;
  void set_metrics(Metrics& metrics) override;

  TransitionLayout layout_;
  Replay real_;
  SacState sac_;

 private:
  SacWorkspace sac_workspace_;
  PolicyWorkspace act_workspace_;
  std::unique_ptr<PolicyWorkspace> eval_workspace_;

  std::vector<SacLosses> losses_;  // of the updates of a step
  std::vector<float> action_;
  std::int64_t action_chosen_for_ = -1;  // env step that action_ was computed for ahead of time
  std::vector<float> pending_;           // records of the running episode, until it is inserted
  double episode_return_ = 0.0;
  int episode_length_ = 0;
};

}  // namespace mbrl
