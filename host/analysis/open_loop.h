// Trajectories that a model predicts from one state on, given the actions, beside the real ones.
#pragma once

#include <string>
#include <vector>

#include "cuda/stream.h"
#include "host/analysis/episodes.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {

/// K steps of every member's mean, from real states that lie K steps apart. Arrays are row-major.
struct OpenLoop {
  int horizon, num_starts, observation_size, num_members;
  std::vector<double> real;       // [K + 1, S], from the first start
  std::vector<double> predicted;  // [E, K + 1, S], from there
  // over all starts, of the state after each step:
  std::vector<double> error;   // [K, S] root mean square of (mean of the members - real)
  std::vector<double> spread;  // [K, S] root mean square of the members' standard deviation
  std::vector<double> scale;   // [S] standard deviation of the real entry

  /// Of an error, in units of the scale: mean over the entries that vary.
  double relative(const std::vector<double>& values, int step) const;
};

/// Predicts along the episodes, which have lengths.
///
/// Errors   DataError if the model has never been fitted, or if no episode has `horizon` steps.
/// Cost     K E^2 forward passes of a row for each start, on the host. Deterministic.
OpenLoop open_loop(Stream& stream, const EnsembleState& model, const Episodes& episodes,
                   int horizon);

/// One panel for each entry of the observation: the real line, the members' mean and their range.
std::string open_loop_figure(const OpenLoop& found, const std::string& title);

/// step,entry,real,predicted,low,high,error,spread: the first start, and the two means of all.
std::string open_loop_csv(const OpenLoop& found);

}  // namespace mbrl
