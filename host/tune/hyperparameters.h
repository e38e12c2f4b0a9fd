// Hyperparameters as a tuner moves them: which of a learner's values, between which ends, by which
// rule.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "host/algo/hyperparameters.h"

namespace mbrl {

/// One of a learner's hyperparameters in a tuner's hands.
struct TunedHyperparameter {
  std::string name;    // the tuner's own
  std::string key;     // in the learner's table, such as "sac.updates_per_step"
  std::string column;  // in tables and checkpoints
  Range range;         // within the learner's
  Change change;
};

/// Values by the tuner's names. A toggle is 0 or 1.
using HyperValues = std::map<std::string, double, std::less<>>;

/// What a tuner may do to a value at once:
///
///   kMultiply  divide by the factor, leave, multiply
///   kAdd       subtract one, leave, add one
///   kToggle    on, off
int num_options(Change change);

/// The value after an option, within the range. `factor` is that of kMultiply.
double after_option(const TunedHyperparameter& tuned, double value, int option, double factor);

/// Errors   ConfigError with the nearest name and the list.
const TunedHyperparameter& find_tuned(const std::vector<TunedHyperparameter>& all,
                                      std::string_view name);

/// Values as JSON, each under its column: toggles as booleans, what is added to as integers.
nlohmann::json values_to_json(const std::vector<TunedHyperparameter>& all,
                              const HyperValues& values);
/// And back. Other entries are passed over. Errors: ValueError; those of the JSON library.
HyperValues values_from_json(const std::vector<TunedHyperparameter>& all,
                             const nlohmann::json& json);

}  // namespace mbrl
