// What a fit of the ensemble has come to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.h"
#include "kernels/networks/ensemble.h"
#include "kernels/stages/ensemble/ensemble_step.h"

namespace mbrl {

/// The mean over targets of one of the parameters that a loss learns for all members.
struct LossValue {
  std::string name;
  float value;
};

/// Those that the ensemble has learned; waits for the device.
std::vector<LossValue> loss_values(const EnsembleState& state);

/// How the elites predict the ends among the holdout rows.
struct EndReport {
  float threshold;     // above which a logit is an end
  int num_ended;       // holdout rows that end their episode
  double share_found;  // of those, by the elites; NaN where there is none
};

/// What one fit did.
struct FitReport {
  bool stopped = false;  // a stop was asked for: the ensemble is as before the fit
  int epochs = 0;
  std::int64_t steps = 0;
  int num_train = 0, num_holdout = 0;    // 0: the fit has no holdout, no errors on it and no elites
  std::vector<double> holdout_mse = {};  // [E] at the snapshots, raw target units
  std::vector<int> elites = {};          // best first
  double validation_loss = 0.0;          // mean holdout error of the elites
  float train_loss = 0.0f;               // of the last step
  std::vector<LossValue> loss_values = {};  // what gaussian_nll learns for all members
  std::optional<EndReport> ends = {};       // of a model that learns where episodes end
  double seconds = 0.0;

  /// One line for the log.
  std::string summary() const;
};

/// What the config says of a gradient step: the decay of every layer, of one value too.
EnsembleConstants ensemble_constants(const ModelConfig& config);

}  // namespace mbrl
