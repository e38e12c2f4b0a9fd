#include "host/algo/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/free_memory.h"
#include "cuda/gpu.h"
#include "envs/tasks/planner.h"
#include "host/algo/behaviour_log.h"
#include "host/algo/keys_read.h"
#include "host/algo/parts/dynamics.h"
#include "host/algo/parts/planner.h"
#include "host/algo/registry.h"
#include "host/io/output_file.h"
#include "host/schedule/rollout_schedule.h"
#include "kernels/data/transition.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {
namespace {

// value and moments
constexpr std::size_t kTrained = 3 * sizeof(float);

TransitionLayout layout_of(const EnvSpec& env) { return {env.observation_size, env.action_size}; }

std::size_t record_bytes(const EnvSpec& env) {
  return static_cast<std::size_t>(layout_of(env).pitch()) * sizeof(float);
}

std::size_t real_records(const Config& config, bool on_gpu) {
  return static_cast<std::size_t>(
      on_gpu ? config.loop.replay_capacity
             : std::min(config.loop.replay_capacity, config.loop.num_env_steps));
}

std::size_t in_tiles(int rows) { return static_cast<std::size_t>(num_tiles(rows)) * kTileRows; }

MlpLayout actor_layout(const Config& config, const EnvSpec& env) {
  return make_mlp_layout(env.observation_size, config.sac.hidden_sizes, 2 * env.action_size);
}

MlpLayout layout_of_member(const Config& config, const EnvSpec& env) {
  return member_layout(layout_of(env), config.model.hidden_size, config.model.num_hidden_layers,
                       Dynamics::form(config));
}

MlpLayout layout_of_trial_member(const Config& config, const EnvSpec& env) {
  return member_layout(layout_of(env), config.model.hidden_size, config.model.num_hidden_layers,
                       {find_ensemble_loss(config.model.loss),
                        {.reward = false, .observation = observation_map(env.task)}});
}

}  // namespace

std::size_t pass_bytes(const MlpLayout& layout, int rows, bool trains) {
  auto features = static_cast<std::size_t>(padded(layout.output_size()));
  for (const LayerLayout& layer : layout.layers)
    features += static_cast<std::size_t>(layer.in_pitch + (trains ? layer.out : 0));
  return in_tiles(rows) * features * sizeof(float);
}

std::size_t update_scratch_bytes(int rows) { return in_tiles(rows) * kTileRows * sizeof(float); }

std::size_t real_replay_bytes(const Config& config, const EnvSpec& env, bool on_gpu) {
  return real_records(config, on_gpu) * record_bytes(env);
}

std::size_t soft_actor_critic_bytes(const Config& config, const EnvSpec& env) {
  const MlpLayout actor = actor_layout(config, env);
  const MlpLayout critic =
      make_mlp_layout(env.observation_size + env.action_size, config.sac.hidden_sizes, 1);
  const int batch = config.sac.batch_size;
  const std::size_t networks = actor.size * kTrained + 2 * critic.size * (kTrained + sizeof(float));
  // of the batch; of a row: noise of its action and the density
  const std::size_t update = pass_bytes(actor, batch, true) + 2 * pass_bytes(critic, batch, true) +
                             update_scratch_bytes(batch) +
                             in_tiles(batch) * (env.action_size + 1u) * sizeof(float);
  // of a tile: actor and target at the next observation, critics at the policy's action; the action
  // of a step, of the step after an update and of evaluations
  const std::size_t tiles = 4 * pass_bytes(actor, kTileRows, false) +
                            pass_bytes(critic, kTileRows, false) +
                            2 * pass_bytes(critic, kTileRows, true);
  return networks + update + tiles;
}

std::size_t dynamics_bytes(const Config& config, const EnvSpec& env, bool on_gpu) {
  const MlpLayout member = layout_of_member(config, env);
  // again as much to undo a fit; a snapshot
  const std::size_t of_member = member.size * (2 * kTrained + sizeof(float)) +
                                pass_bytes(member, config.model.batch_size, true);
  const auto E = static_cast<std::size_t>(config.model.ensemble_size);
  // of each real row: its place in the split, in every member's sample and its order, which have a
  // quarter over on average as they grow by half; two keys and a place of each member's sort
  constexpr std::size_t kIndex = sizeof(std::uint32_t), kQuarter = kIndex / 4;
  const std::size_t of_row =
      (2 * E + 1) * (kIndex + kQuarter) + E * (2 * sizeof(std::uint64_t) + kIndex);
  return E * of_member + update_scratch_bytes(config.model.batch_size) +
         pass_bytes(member, kTileRows, false) + real_records(config, on_gpu) * of_row;
}

std::size_t imagination_bytes(const Config& config, const EnvSpec& env) {
  const std::size_t imagined = model_replay_capacity(config, max_rollout_length(config));
  const auto rows = static_cast<std::size_t>(config.rollout.batch_size);
  // state, action, row, order, member and two flags
  const std::size_t of_row = (env.observation_size + env.action_size + 2u) * sizeof(float) + 3;
  // records twice: while the rollout length changes they move from one buffer to another
  return 2 * imagined * record_bytes(env) + rows * of_row +
         pass_bytes(actor_layout(config, env), kTileRows, false) +
         pass_bytes(layout_of_member(config, env), kTileRows, false);
}

std::size_t measurements_bytes(const Config& config, const EnvSpec& env) {
  if (config.controller.file.empty()) return 0;
  return BehaviourLog::kEpochs * static_cast<std::size_t>(config.loop.epoch_length) *
             (env.observation_size + env.action_size + 1u) * sizeof(float) +
         pass_bytes(actor_layout(config, env), BehaviourLog::kRowsAtOnce, false);
}

std::size_t sac_bytes(const Config& config, const EnvSpec& env, bool on_gpu) {
  return real_replay_bytes(config, env, on_gpu) + soft_actor_critic_bytes(config, env);
}

std::size_t mbpo_bytes(const Config& config, const EnvSpec& env, bool on_gpu) {
  return sac_bytes(config, env, on_gpu) + dynamics_bytes(config, env, on_gpu) +
         imagination_bytes(config, env) + measurements_bytes(config, env);
}

std::size_t pets_bytes(const Config& config, const EnvSpec& env, bool on_gpu) {
  const MlpLayout member = layout_of_trial_member(config, env);
  const auto E = static_cast<std::size_t>(config.model.ensemble_size);
  // again as much to undo a fit
  const std::size_t of_member =
      member.size * 2 * kTrained + pass_bytes(member, config.model.batch_size, true);
  // of each real row: its number, and its place in every member's sample and the next order, which
  // have a quarter over on average as they grow by half; two keys and a place of each member's sort
  constexpr std::size_t kIndex = sizeof(std::uint32_t), kQuarter = kIndex / 4;
  const std::size_t of_row =
      (2 * E + 1) * (kIndex + kQuarter) + E * (2 * sizeof(std::uint64_t) + kIndex);
  const std::size_t model = E * of_member + update_scratch_bytes(config.model.batch_size) +
                            pass_bytes(member, kTileRows, false) +
                            real_records(config, on_gpu) * of_row;

  // candidates, kept ones too, with the costs of their particles and an order; plans that are kept;
  // the particles of the four tiles that a thread works on, on a GPU of all candidates
  const PlanLimits limits = plan_limits(config.planner);
  constexpr int kRowsAtOnce = 4 * kTileRows;
  const auto candidates = static_cast<std::size_t>(limits.population + kMaxKeptElites);
  const auto particles = static_cast<std::size_t>(limits.particles);
  const std::size_t sequence = static_cast<std::size_t>(limits.horizon) * env.action_size;
  const std::size_t states = (on_gpu ? candidates : kRowsAtOnce) * particles *
                             (2 * static_cast<std::size_t>(env.observation_size) + 2);
  const std::size_t planner =
      (candidates * (sequence + particles + 2) + (4 + kMaxKeptElites) * sequence + states) *
          sizeof(float) +
      pass_bytes(member, kRowsAtOnce, false);
  return real_replay_bytes(config, env, on_gpu) + model + planner;
}

std::size_t learner_bytes(const Config& config, const EnvSpec& env, const Device& device) {
  const Algorithm& algorithm = find_algorithm(config.algorithm);
  if (algorithm.memory == nullptr) return 0;
  return algorithm.memory(config, env, device.kind == Device::Kind::kCuda);
}

std::size_t free_bytes(const Device& device) {
  return device.kind == Device::Kind::kCuda ? gpu::info(device.index).free_bytes : free_memory();
}

std::string memory_keys(const Config& config) {
  std::vector<std::string> read;
  for (const char* key :
       {"loop.replay_capacity", "rollout.batch_size", "rollout.retain_epochs", "planner.population",
        "planner.particles", "ppo.num_envs", "ppo.steps_per_update"})
    if (is_read(config, *find_field(key))) read.push_back(key);
  std::string text;
  for (std::size_t i = 0; i < read.size(); ++i)
    text += (i == 0 ? "" : i + 1 < read.size() ? ", " : " or ") + read[i];
  return text;
}

void require_memory(const Config& config, const EnvSpec& env, const Device& device) {
  const std::size_t needed = learner_bytes(config, env, device), free = free_bytes(device);
  if (needed <= free) return;
  throw DeviceError(fmt::format(
      "this run will need about {} of memory at its largest; {} are free on {}. Lower {}.",
      bytes_text(needed), bytes_text(free), device_name(device), memory_keys(config)));
}

}  // namespace mbrl
