// About how much memory the parts of a learner take on its device: networks with Adam's moments,
// replays, and what the stages work on. Only what grows with the config is counted.
#pragma once

#include <cstddef>
#include <string>

#include "cuda/device.h"
#include "envs/spec.h"
#include "host/config/config.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {

/// Activations of a forward pass over `rows` in whole tiles, with gradients where it trains.
std::size_t pass_bytes(const MlpLayout& layout, int rows, bool trains);

/// Partial gradients of a thread where `rows` train.
std::size_t update_scratch_bytes(int rows);

/// The real replay at its largest. On the host the pages of a ring count once they are written.
std::size_t real_replay_bytes(const Config& config, const EnvSpec& env, bool on_gpu);

/// Policy, critics and their targets, and what updates and actions need.
std::size_t soft_actor_critic_bytes(const Config& config, const EnvSpec& env);

/// The ensemble and what fitting it needs.
std::size_t dynamics_bytes(const Config& config, const EnvSpec& env, bool on_gpu);

/// The model replay at its largest, twice, and what a rollout needs.
std::size_t imagination_bytes(const Config& config, const EnvSpec& env);

/// The actions that a controller sees; nothing without one.
std::size_t measurements_bytes(const Config& config, const EnvSpec& env);

/// A learner of SAC.
std::size_t sac_bytes(const Config& config, const EnvSpec& env, bool on_gpu);

/// A learner of MBPO: all of the parts.
std::size_t mbpo_bytes(const Config& config, const EnvSpec& env, bool on_gpu);

/// A learner of PETS: real replay, ensemble and planner.
std::size_t pets_bytes(const Config& config, const EnvSpec& env, bool on_gpu);

/// What a learner of the config's algorithm takes; 0 for one that trains many.
std::size_t learner_bytes(const Config& config, const EnvSpec& env, const Device& device);

/// What this process may still take on a device.
std::size_t free_bytes(const Device& device);

/// The keys to lower where memory is short, of those that the run reads: "loop.replay_capacity,
/// rollout.batch_size or rollout.retain_epochs".
std::string memory_keys(const Config& config);

/// Fails before hours of training do.
///
/// Errors   DeviceError if a learner does not fit into what is free.
void require_memory(const Config& config, const EnvSpec& env, const Device& device);

}  // namespace mbrl
