// How far a trained controller drifts where there is nothing to learn: the yardstick for what a
// learned schedule shows.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cuda/stream.h"
#include "host/config/config.h"
#include "host/tune/autombpo/folder.h"

namespace mbrl {

/// What a controller did over runs: changes per decision, in units of the step that a decision can
/// make, and the share of decisions to fit the model. NaN for a head that it does not have.
struct Drift {
  double real_ratio = 0.0, updates_per_step = 0.0, rollout_length = 0.0, share_of_fits = 0.0;
};

struct ControllerNull {
  int num_runs = 0;         // of the evaluation
  Drift run;                // of the best controller in these
  std::vector<Drift> null;  // of controllers trained on returns that depend on nothing
};

/// Trains `repetitions` controllers by the run's own stages, learning rates and rewards on
/// hyper-episodes that are drawn: the returns are those of a default MBPO run drawn anew for each,
/// the other measurements those that a hyper-episode of the run, drawn too, had at the same
/// decisions. The best stage's controller then decides over as many drawn runs as the evaluation
/// has. `runs_root`: where the run's baseline lies, unless the config names it.
///
/// Errors   DataError if the run has not been evaluated; ReadError if its baseline is gone;
///          ConfigError if its scheme trains no controller.
/// Cost     about a second for 160 hyper-episodes of 40 decisions and the evaluation.
ControllerNull controller_null(Stream& stream, const Config& config, const AutoMbpoFolder& folder,
                               const std::filesystem::path& runs_root, int repetitions);

/// One line of the table: `name`, the run's value, the others' mean, standard deviation and range,
/// and the run's distance from the mean in standard deviations, a dash where they have none. Empty
/// where the run has no value.
std::string drift_line(const std::string& name, double Drift::*field, const ControllerNull& found);

}  // namespace mbrl
