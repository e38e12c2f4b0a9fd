// How rollouts follow from the config, for the algorithm and for the check of the config alike.
#pragma once

#include <cstddef>
#include <vector>

#include "host/config/config.h"

namespace mbrl {

/// Rollout length at an epoch: linear from schedule[2] to schedule[3] between epochs schedule[0]
/// and schedule[1], rounded down.
int rollout_length_at(const std::vector<float>& schedule, int epoch);

/// Most steps of a rollout: the larger end of rollout.schedule.
int max_rollout_length(const Config& config);

/// Env steps between two rollouts.
int rollout_interval(const Config& config);

/// Rows of the model replay: retain_epochs' worth of rollouts of this length, were none to end
/// early.
std::size_t model_replay_capacity(const Config& config, int rollout_length);

}  // namespace mbrl
