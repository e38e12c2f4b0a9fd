// Hyperparameters that change while a learner runs.
#pragma once

#include <optional>

namespace mbrl {

/// What a schedule may set of MBPO. A value that is empty follows the config.
struct ScheduleValues {
  std::optional<double> real_ratio = {};
  std::optional<int> updates_per_step = {};
  std::optional<int> rollout_length = {};
  // whether the next step refits the ensemble; the steps behind it do not until this is set again
  std::optional<bool> fit_model = {};
};

}  // namespace mbrl
