// Part: the learned model of an environment, fitted before each trial to all that is known.
#pragma once

#include <cstdint>
#include <vector>

#include "envs/tasks/observation_map.h"
#include "host/algo/part.h"
#include "host/model/bootstrap_trainer.h"
#include "kernels/data/transition.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {

class TrialModel : public Part {
 public:
  /// Declares what a fit measures: model_loss, model_epochs, model_steps, and what the loss has
  /// learned (max_logvar and min_logvar of the Gaussian). Reads and predicts observations as `map`
  /// says, and no reward.
  TrialModel(Context& context, TransitionLayout layout, const ObservationMap& map);

  /// Fits to all of `real`. False: a stop was asked for, and the fit was undone.
  bool fit(const TransitionsView& real);

  const EnsembleState& state() const { return state_; }

  void visit(Archive& archive) override;

 private:
  EnsembleState state_;
  BootstrapTrainer trainer_;
  Metric loss_, epochs_, steps_;
  std::vector<Metric> loss_values_;
  std::int64_t num_fits_ = 0;
};

}  // namespace mbrl
