// Model-based policy optimisation (Janner et al. 2019, arXiv:1906.08253).
#pragma once

#include <limits>
#include <memory>

#include "host/algo/behaviour_log.h"
#include "host/algo/sac_learner.h"
#include "host/model/trainer.h"
#include "host/schedule/values.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/rollout/rollout.h"

namespace mbrl {

class Mbpo : public SacLearner {
 public:
  Mbpo(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index);

  bool step() override;

  const EnsembleState& model() const { return model_; }
  const Replay& model_replay() const { return imagined_; }
  int rollout_length() const { return rollout_length_; }

  /// Sets hyperparameters from the next step on.
  void set_schedule(const ScheduleValues& values) { values_ = values; }
  /// Those in force, whoever set them; fit_model is whether the next step will fit.
  ScheduleValues schedule() const;
  /// Fits the ensemble unless it has been before. False: a stop was asked for.
  bool ensure_fitted() { return num_fits_ > 0 || fit_model(); }

  /// Of the last fit; NaN before the first.
  double validation_loss() const { return validation_loss_; }
  std::int64_t num_fits() const { return num_fits_; }
  /// Mean over the policy updates since the last call; NaN if there were none.
  double take_critic_loss();
  /// Mean change of the policy's density on recent real actions; for steered runs alone.
  double policy_change() { return behaviour_->policy_change(stream_, sac_.actor); }

  nlohmann::json state() override;
  void set_state(const nlohmann::json& state) override;
  std::vector<TensorRef> weight_tensors() override;
  std::vector<TensorRef> replay_tensors() override;

 protected:
  void set_metrics(Metrics& metrics) override;
  void on_action(const float* observation, const float* action, bool random) override;

 private:
  void warn_without_real_rows(double real_ratio);
  bool fit_due() const;
  bool fit_model();
  void imagine();

  EnsembleState model_;
  ModelTrainer trainer_;
  Replay imagined_;
  RolloutWorkspace rollout_workspace_;
  int first_metric_;
  int rollout_length_ = 0;
  std::int64_t num_fits_ = 0, num_rollouts_ = 0;
  ScheduleValues values_;
  double validation_loss_ = std::numeric_limits<double>::quiet_NaN();
  double critic_loss_sum_ = 0.0;
  std::int64_t critic_loss_count_ = 0;
  bool warned_ = false;
  std::unique_ptr<BehaviourLog> behaviour_;  // where a controller asks for it
};

}  // namespace mbrl
