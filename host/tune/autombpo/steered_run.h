// A model-based run that a trained controller steers.
#pragma once

#include "host/run/run.h"

namespace mbrl {

/// Where the config names a controller that its algorithm follows: gives the run the controller and
/// AutoMBPO's rollouts. Leaves all other runs as they are.
void follow_controller(RunOptions& options);

}  // namespace mbrl
