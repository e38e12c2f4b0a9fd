// Which keys tell good trials of a search from the rest.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace mbrl {

/// One key of a search, and the values that the trials had of it.
struct ImportanceAxis {
  double low = 0.0, high = 1.0;     // the ends of its range; one value alone tells nothing
  bool log = false;                 // on the scale of the logarithm, low > 0
  double step = 0.0;                // values are low, low + step, ...; 0: any. With log: 1 or 0
  std::size_t num_choices = 0;      // above 0: values are places of choices, and have no range
  std::vector<double> values = {};  // one for each trial
};

struct Importance {
  std::vector<double> values;  // of each key, as they are computed
  std::vector<double> shares;  // the same with the sum 1; all 0 where none tells anything
  std::size_t num_top = 0;     // trials that count as good
  std::size_t num_trials = 0;
};

/// PED-ANOVA: how far the distribution of each key among the best trials, the `top` share of them,
/// is from that among all. Each key alone: what only shows in two keys together is not seen, and
/// neither is what lies outside of the space. With fewer than 5 good trials it is mostly chance.
///
/// Shapes   returns, and each axis' values: one for each trial.
/// Errors   ShapeError if lengths differ; DataError for fewer than 2 trials, a return or a value that
///          is not finite, an axis whose ends are in no order, a negative step, a place beyond the choices.
/// Source   Watanabe et al. 2023, arXiv:2304.10255, as optuna 5.0 computes it
///          (optuna/optuna:optuna/importance/_ped_anova): all trials are the region.
Importance ped_anova(std::span<const double> returns, std::span<const ImportanceAxis> axes,
                     double top = 0.1);

}  // namespace mbrl
