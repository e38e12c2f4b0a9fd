// About how much memory the parts of a learner take on its device.
#pragma once

#include <cstddef>

#include "envs/spec.h"
#include "host/config/config.h"

namespace mbrl {

/// The real replay at its largest. On the host the pages of a ring count once they are written.
std::size_t real_replay_bytes(const Config& config, const EnvSpec& env, bool on_gpu);

/// The ensemble and what fitting it needs.
std::size_t dynamics_bytes(const Config& config, const EnvSpec& env, bool on_gpu);

/// The model replay at its largest and what a rollout needs.
std::size_t imagination_bytes(const Config& config, const EnvSpec& env);

/// A learner of MBPO: the three together.
std::size_t mbpo_bytes(const Config& config, const EnvSpec& env, bool on_gpu);

}  // namespace mbrl
