#include "host/algo/memory.h"

#include <algorithm>
#include <cstdint>

#include "host/schedule/rollout_schedule.h"
#include "kernels/data/transition.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {
namespace {

TransitionLayout layout_of(const EnvSpec& env) { return {env.observation_size, env.action_size}; }

std::size_t record_bytes(const EnvSpec& env) {
  return static_cast<std::size_t>(layout_of(env).pitch()) * sizeof(float);
}

std::size_t real_records(const Config& config, bool on_gpu) {
  return static_cast<std::size_t>(
      on_gpu ? config.loop.replay_capacity
             : std::min(config.loop.replay_capacity, config.loop.num_env_steps));
}

}  // namespace

std::size_t real_replay_bytes(const Config& config, const EnvSpec& env, bool on_gpu) {
  return real_records(config, on_gpu) * record_bytes(env);
}

std::size_t dynamics_bytes(const Config& config, const EnvSpec& env, bool on_gpu) {
  const MlpLayout member =
      member_layout(layout_of(env), config.model.hidden_size, config.model.num_hidden_layers,
                    {find_ensemble_loss(config.model.loss)});
  // value and moments, as much again to undo a fit, a snapshot; activations of a batch
  std::size_t floats = member.size * 7;
  const std::size_t rows = 2 * static_cast<std::size_t>(config.model.batch_size);
  floats +=
      rows * static_cast<std::size_t>(member.input_size() + member.output_size() +
                                      config.model.num_hidden_layers * config.model.hidden_size);
  const auto E = static_cast<std::size_t>(config.model.ensemble_size);
  // bootstrap and shuffled rows of each member
  return E * (floats * sizeof(float) + real_records(config, on_gpu) * 2 * sizeof(std::uint32_t));
}

std::size_t imagination_bytes(const Config& config, const EnvSpec& env) {
  const std::size_t imagined = model_replay_capacity(config, max_rollout_length(config));
  // records twice: while the rollout length changes they move from one buffer to another
  return 2 * (imagined + static_cast<std::size_t>(config.rollout.batch_size)) * record_bytes(env);
}

std::size_t mbpo_bytes(const Config& config, const EnvSpec& env, bool on_gpu) {
  return real_replay_bytes(config, env, on_gpu) + dynamics_bytes(config, env, on_gpu) +
         imagination_bytes(config, env);
}

}  // namespace mbrl
