#include "host/bench/stage_trials.h"

#include <algorithm>

#include "base/rng.h"
#include "host/model/fit_report.h"
#include "kernels/networks/initialize.h"

namespace mbrl {
namespace {

constexpr int kRecords = 20000;

// plausible transitions: states near upright rest, small changes
Buffer<float> random_transitions(const TransitionLayout& layout, int count) {
  Buffer<float> records(static_cast<std::size_t>(count) * layout.pitch(), 0.0f);
  const RandomKey key{1, purpose::kInit, 0};
  for (int row = 0; row < count; ++row) {
    float* r = records.data() + static_cast<std::size_t>(row) * layout.pitch();
    const auto step = static_cast<std::uint64_t>(row);
    for (int i = 0; i < layout.observation_size; ++i) {
      r[i] = (i == 0 ? 1.2f : 0.0f) + 0.05f * normal(key, step, 0, i);
      r[layout.next_observation() + i] = r[i] + 0.01f * normal(key, step, 1, i);
    }
    for (int i = 0; i < layout.action_size; ++i)
      r[layout.action() + i] =
          2.0f * uniform01(key.bits(step, 2, static_cast<std::uint32_t>(i)).x) - 1.0f;
    r[layout.reward()] = 1.0f + 0.1f * normal(key, step, 3, 0);
  }
  return records;
}

}  // namespace

TrialRecords::TrialRecords(Stream& stream, const EnvSpec& env)
    : layout_{env.observation_size, env.action_size} {
  const Buffer<float> records = random_transitions(layout_, kRecords);
  records_ = Buffer<float>(records.size(), stream.memory(), "trial records");
  from_host(records_, to_host(records));
}

TransitionsView TrialRecords::view() const { return {records_.data(), layout_, kRecords}; }

MixedSource TrialRecords::source(const Config& config) const {
  return {view(), view(), static_cast<int>(config.sac.batch_size * config.loop.real_ratio)};
}

StageTrials::StageTrials(const Config& config, const EnvSpec& env, Stream& stream)
    : config_(config),
      stream_(stream),
      layout_{env.observation_size, env.action_size},
      task_(env.task),
      end_bounds_(env.end_bounds),
      records_(stream, env),
      policy_(env.observation_size, env.action_size, config.sac.hidden_sizes, stream.memory()),
      ensemble_(config.model.ensemble_size, layout_, config.model.hidden_size,
                config.model.num_hidden_layers, stream.memory(),
                {find_ensemble_loss(config.model.loss)}),
      ppo_({.observation_size = env.observation_size,
            .hidden_sizes = config.ppo.hidden_sizes,
            .heads = {},
            .action_size = env.action_size,
            .value = true},
           stream.memory()) {}

Trial StageTrials::sac(bool simultaneous, const Gemm& gemm, double seconds) {
  init_sac(policy_, 1, 0, 1.0f);
  std::vector<SacLosses> losses(static_cast<std::size_t>(config_.sac.updates_per_step));
  SacWorkspace workspace(stream_, policy_, config_.sac.batch_size, gemm);
  const MixedSource source = records_.source(config_);
  const SacConstants constants{.batch_size = config_.sac.batch_size, .simultaneous = simultaneous};
  return {
      measure([&] { sac_update(stream_, losses, policy_, source, constants, workspace); }, seconds),
      static_cast<double>(losses.size())};
}

Trial StageTrials::ensemble(const Gemm& gemm, double seconds) {
  const ModelConfig& m = config_.model;
  init_ensemble(ensemble_, 1, 0, m.init_max_logvar, m.init_min_logvar);
  EnsembleWorkspace workspace(stream_, ensemble_, m.batch_size, gemm);
  const EnsembleConstants constants = ensemble_constants(m);
  const int steps = stream_.on_gpu() ? 64 : 8;
  std::vector<std::uint32_t> indices(static_cast<std::size_t>(m.ensemble_size) * m.batch_size *
                                     steps);
  for (std::size_t i = 0; i < indices.size(); ++i)
    indices[i] = uniform_index(RandomKey{}.bits(0, static_cast<std::uint32_t>(i)).x, kRecords);
  Buffer<std::uint32_t> rows(indices.size(), stream_.memory(), "trial rows");
  from_host(rows, indices);
  return {measure(
              [&] {
                ensemble_epoch(stream_, ensemble_, records_.view(),
                               {rows.data(), m.ensemble_size, steps * m.batch_size}, m.batch_size,
                               constants, workspace);
              },
              seconds),
          static_cast<double>(steps)};
}

Trial StageTrials::rollout(double seconds) {
  const ModelConfig& m = config_.model;
  init_sac(policy_, 1, 0, 1.0f);
  init_ensemble(ensemble_, 1, 0, m.init_max_logvar, m.init_min_logvar);
  ensemble_.elites.resize(static_cast<std::size_t>(m.num_elites));
  const int rows = config_.rollout.batch_size;
  RolloutWorkspace workspace(stream_, policy_.actor, ensemble_, rows, m.num_elites);
  Buffer<float> ring(static_cast<std::size_t>(rows) * layout_.pitch(), stream_.memory(),
                     "trial ring");
  const RingView view_of_ring{ring.data(), static_cast<std::size_t>(rows), 0};
  RolloutConstants constants{
      .num_rows = rows, .length = 1, .task = task_, .end_bounds = end_bounds_};
  return {measure(
              [&] {
                ++constants.rollout_index;
                mbrl::rollout(stream_, policy_.actor, ensemble_, records_.view(), view_of_ring,
                              constants, workspace);
              },
              seconds),
          static_cast<double>(rows)};
}

Trial StageTrials::ppo(double seconds) {
  const PpoConfig& c = config_.ppo;
  init_ppo(ppo_, {1, purpose::kInit, 0});
  PpoWorkspace workspace(stream_, ppo_, c.batch_size);
  const int num_rows = std::max(c.num_envs * c.steps_per_update, c.batch_size);
  const int S = layout_.observation_size, A = layout_.action_size;
  // observations and actions near what an untrained policy meets and does
  const auto on_device = [&](int columns, float mean, std::uint32_t row) {
    std::vector<float> values(static_cast<std::size_t>(num_rows) * columns);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = mean + 0.5f * normal({1, purpose::kInit, 0}, i, row, 0);
    Buffer<float> buffer(values.size(), stream_.memory(), "trial rows");
    from_host(buffer, values);
    return buffer;
  };
  const Buffer<float> observation = on_device(S, 0.0f, 4), action = on_device(A, 0.0f, 5),
                      log_prob = on_device(1, -0.92f * static_cast<float>(A), 6),
                      advantage = on_device(1, 0.0f, 7), target = on_device(1, 0.0f, 8);
  const int num_updates = num_rows / c.batch_size;
  std::vector<std::uint32_t> indices(static_cast<std::size_t>(num_updates) * c.batch_size);
  for (std::size_t i = 0; i < indices.size(); ++i)
    indices[i] = uniform_index(RandomKey{}.bits(1, static_cast<std::uint32_t>(i)).x,
                               static_cast<std::uint32_t>(num_rows));
  Buffer<std::uint32_t> rows(indices.size(), stream_.memory(), "trial rows");
  from_host(rows, indices);
  std::vector<PpoLosses> losses(static_cast<std::size_t>(num_updates));
  // no step: the timing of an update does not depend on where the weights are, its ratios do
  const PpoConstants constants{.clip = c.clip, .adam = {0.0f}};
  return {measure(
              [&] {
                ppo_update(stream_, losses, ppo_,
                           {.observation = {observation.data(), num_rows, S},
                            .action = {action.data(), num_rows, A},
                            .log_prob = {log_prob.data(), num_rows, 1},
                            .advantage = {advantage.data(), num_rows},
                            .value_target = {target.data(), num_rows}},
                           {rows.data(), num_updates, c.batch_size}, constants, workspace);
              },
              seconds),
          static_cast<double>(num_updates)};
}

}  // namespace mbrl
