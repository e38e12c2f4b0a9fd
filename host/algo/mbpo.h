// Model-based policy optimisation (Janner et al. 2019, arXiv:1906.08253).
#pragma once

#include "host/algo/sac_learner.h"
#include "host/model/trainer.h"
#include "kernels/ensemble_step.h"
#include "kernels/rollout.h"

namespace mbrl {

/// Rollout length at an epoch: linear from schedule[2] to schedule[3] between epochs schedule[0]
/// and schedule[1], rounded down.
int rollout_length_at(const std::vector<float>& schedule, int epoch);

class Mbpo : public SacLearner {
 public:
  Mbpo(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index);

  bool step() override;

  const EnsembleState& model() const { return model_; }
  const Replay& model_replay() const { return imagined_; }
  int rollout_length() const { return rollout_length_; }

  nlohmann::json state() override;
  void set_state(const nlohmann::json& state) override;
  std::vector<TensorRef> weight_tensors() override;
  std::vector<TensorRef> replay_tensors() override;

 protected:
  void set_metrics(Metrics& metrics) override;

 private:
  bool fit_model();
  void imagine();
  std::size_t model_replay_capacity(int rollout_length) const;

  EnsembleState model_;
  ModelTrainer trainer_;
  Replay imagined_;
  RolloutWorkspace rollout_workspace_;
  int first_metric_;
  int rollout_length_ = 0;
  std::int64_t num_fits_ = 0;
};

}  // namespace mbrl
