// Part: the learned model of the environment, an ensemble that is fitted again and again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/algo/part.h"
#include "host/model/trainer.h"
#include "kernels/data/transition.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {

class Dynamics : public Part {
 public:
  enum class Fit { kNotDue, kDone, kStopped };

  /// Declares what a fit measures: model_loss, model_validation_loss, model_epochs, model_steps,
  /// what the loss has learned (max_logvar and min_logvar of the Gaussian), and model_end_recall
  /// where it learns where episodes end (env.end=learned).
  Dynamics(Context& context, TransitionLayout layout);

  /// What the config has the model learn.
  static EnsembleForm form(const Config& config);

  /// Whether the next step fits: always before the first fit, then as was decided (hyperparameter
  /// model.fit), and every loop.model_train_interval steps of an epoch where nothing decides.
  bool fit_due() const;

  /// Fits to `real` if that is due. kStopped: a stop was asked for, and the fit was undone.
  Fit fit_if_due(const TransitionsView& real);

  /// Fits unless it has been done before. False: a stop was asked for.
  bool ensure_fitted(const TransitionsView& real) { return num_fits_ > 0 || fit(real); }

  const EnsembleState& state() const { return state_; }
  std::int64_t num_fits() const { return num_fits_; }
  /// Mean holdout error of the elites in the last fit; NaN before the first.
  double validation_loss() const { return validation_loss_; }

  void visit(Archive& archive) override;
  void hyperparameters(std::vector<Hyperparameter>& all) override;

 private:
  bool fit(const TransitionsView& real);

  EnsembleState state_;
  ModelTrainer trainer_;
  Metric loss_, validation_, epochs_, steps_;
  std::vector<Metric> loss_values_;
  std::optional<Metric> end_recall_;
  std::int64_t num_fits_ = 0;
  double validation_loss_;
  // whether the next step fits; the steps after it do not until this is set again
  std::optional<bool> decision_;
};

}  // namespace mbrl
