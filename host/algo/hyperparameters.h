// The values of a learner that may change while it runs, as one table.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "host/config/config.h"
#include "host/config/fields.h"

namespace mbrl {

/// How a tuner moves a value.
enum class Change {
  kMultiply,  // by a factor
  kAdd,       // steps of one
  kToggle,    // 0 or 1
};

struct Hyperparameter {
  std::string name;  // a config key, such as "sac.learning_rate", or one of the algorithm's own
  Range range;
  Change change;
  std::function<double()> get;
  /// Holds from the next step on.
  ///
  /// Errors   ConfigError naming the value and the range.
  std::function<void(double)> set;
};

/// One whose set() looks at the range, then calls `store`.
Hyperparameter make_hyperparameter(std::string name, Range range, Change change,
                                   std::function<double()> get, std::function<void(double)> store);

/// The keys of `config` that may change between two steps and that its algorithm reads, bound to
/// `config`, which must outlive them. Floats are multiplied, integers added to, booleans toggled; a
/// list of floats is its mean and takes one value in all places; a choice among names is its place
/// among them, from 0.
std::vector<Hyperparameter> live_keys(Config& config);

/// Replaces the one of this name, or adds it.
void put_hyperparameter(std::vector<Hyperparameter>& all, Hyperparameter hyperparameter);

/// Errors   ConfigError with the nearest name and the list.
Hyperparameter& find_hyperparameter(std::vector<Hyperparameter>& all, std::string_view name);

}  // namespace mbrl
