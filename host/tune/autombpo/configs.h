// The configs of the runs that AutoMBPO makes.
#pragma once

#include <string>

#include "host/config/config.h"

namespace mbrl {

/// Default MBPO for `epochs` after exploration: what this config's controllers are compared with.
Config baseline_config(const Config& config, int epochs);

/// A run under a controller: AutoMBPO's rollouts, all else as without.
Config steered_config(const Config& config);

/// A hyper-episode or a run of the evaluation: `epochs` of MBPO after exploration, under
/// the controller called `controller`.
Config episode_config(const Config& config, const std::string& controller, int epochs);

}  // namespace mbrl
