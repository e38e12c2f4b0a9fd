// A model-based run that a trained controller steers.
#pragma once

#include "host/run/run.h"

namespace mbrl {

/// Where the config names a controller that its algorithm follows: gives the run the controller and
/// AutoMBPO's rollouts. Leaves all other runs as they are.
void follow_controller(RunOptions& options);

/// What follow_controller() has a run follow: the controller of its config.
std::unique_ptr<Schedule> controller_schedule(const Config& config, OpenDevice& device);

}  // namespace mbrl
