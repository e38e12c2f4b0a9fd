// What stages are tested on, the same on every device: random transitions, and small problems for
// SAC, the ensemble, rollouts and PPO. All of it lies on the host; tests/support/devices.h copies
// it to a device.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "kernels/networks/initialize.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/ppo/ppo_update.h"
#include "kernels/stages/rollout/rollout.h"
#include "kernels/stages/sac/sac_update.h"
#include "tests/support/matchers.h"

namespace mbrl {

/// `count` transitions of normal values times `scale`.
inline Buffer<float> random_records(const TransitionLayout& layout, int count, std::uint32_t seed,
                                    float scale = 1.0f) {
  Buffer<float> records(static_cast<std::size_t>(count) * layout.pitch(), 0.0f);
  const RandomKey key{seed, purpose::kInit, 0};
  for (int row = 0; row < count; ++row)
    for (int i = 0; i < layout.next_observation() + layout.observation_size; ++i)
      records[static_cast<std::size_t>(row) * layout.pitch() + i] =
          scale * normal(key, static_cast<std::uint64_t>(row), 1, i);
  return records;
}

/// Biases of normal values times `scale`, from lane `lane` of the key.
inline void random_biases(const MlpLayout& layout, float* parameters, const RandomKey& key,
                          int lane, float scale) {
  for (const LayerLayout& l : layout.layers)
    for (int o = 0; o < l.out; ++o)
      parameters[l.bias + o] = scale * normal(key, 2, static_cast<std::uint32_t>(o), lane);
}

/// A policy and critics at their start, and two replays with actions in [-1, 1], every seventh
/// transition terminal.
struct SacProblem {
  static constexpr int kRecords = 60;  // in each replay

  TransitionLayout layout{5, 2};
  Buffer<float> records;  // of the real replay, then of the imagined one
  SacState state;
  SacConstants constants;
  int num_real;

  SacProblem(int batch_size, int real, const std::vector<int>& hidden = {40, 24})
      : records(random_records(layout, 2 * kRecords, 5)),
        state(layout.observation_size, layout.action_size, hidden),
        num_real(real) {
    for (int row = 0; row < 2 * kRecords; ++row) {
      float* r = record(row);
      r[layout.terminated()] = row % 7 == 0 ? 1.0f : 0.0f;
      for (int i = layout.action(); i < layout.reward(); ++i) r[i] = std::tanh(r[i]);
    }
    init_sac(state, 9, 0, 0.7f);
    constants.batch_size = batch_size;
    constants.adam.learning_rate = 1e-3f;
    constants.target_entropy = -2.0f;
    constants.tau = 0.05f;
    constants.seed = 4;
  }

  /// Targets that differ from the critics, biases that are not zero: as after some training.
  void leave_the_start() {
    const RandomKey key{11, purpose::kInit, 0};
    for (int i = 0; i < 2; ++i) {
      Buffer<float>& target = state.critics.target[i];
      for (std::size_t j = 0; j < target.size(); ++j)
        target[j] *= 1.0f + 0.2f * normal(key, 0, static_cast<std::uint32_t>(j), i);
      random_biases(state.critics.layout, state.critics.critic[i].value.data(), key, i, 0.1f);
    }
    random_biases(state.actor.layout, state.actor.parameters.value.data(), key, 2, 0.1f);
  }

  float* record(int row) { return records.data() + row * layout.pitch(); }
  /// Batches from records that lie in another place.
  MixedSource source(const Buffer<float>& from) const {
    const float* imagined = from.data() + kRecords * layout.pitch();
    return {{from.data(), layout, kRecords}, {imagined, layout, kRecords}, num_real};
  }
  MixedSource source() const { return source(records); }
};

/// Members at their start, a scaler that does something, and rows of each to train on.
struct EnsembleProblem {
  static constexpr int kRecords = 90;

  TransitionLayout layout{3, 2};
  Buffer<float> records;
  EnsembleState state;
  EnsembleConstants constants;
  std::vector<std::uint32_t> rows;
  int members, num_rows;

  EnsembleProblem(int num_members, int rows_of_each, int hidden = 24, int layers = 2,
                  const EnsembleForm& form = {})
      : records(random_records(layout, kRecords, 5)),
        state(num_members, layout, hidden, layers, Memory::kHost, form),
        members(num_members),
        num_rows(rows_of_each) {
    const RandomKey key{5, purpose::kInit, 0};
    for (int i = 0; i < num_members * rows_of_each; ++i)
      rows.push_back(uniform_index(key.bits(3, static_cast<std::uint32_t>(i)).x, kRecords));
    // bounds close to the raw outputs, so that both sides bend
    init_ensemble(state, 9, 0, 0.5f, -1.0f);
    for (int i = 0; i < state.num_inputs(); ++i) {
      state.input_mean[i] = 0.1f * static_cast<float>(i);
      state.input_inv_std[i] = 1.0f + 0.2f * static_cast<float>(i);
    }
    for (int i = 0; i <= layers; ++i) constants.weight_decay.push_back(0.01f * (i + 1.0f));
  }

  /// Biases that are not zero and bounds that differ: as after some training.
  void leave_the_start() {
    for (int e = 0; e < members; ++e)
      random_biases(state.layout, state.member(e), {5, purpose::kInit, 0}, e, 0.3f);
    for (int i = 0; i < state.num_targets() && state.num_shared() > 0; ++i) {
      state.max_logvar()[i] = 0.5f + 0.1f * static_cast<float>(i);
      state.min_logvar()[i] = -1.0f - 0.2f * static_cast<float>(i);
    }
  }

  TransitionsView view(const Buffer<float>& from) const { return {from.data(), layout, kRecords}; }
  TransitionsView view() const { return view(records); }
  Matrix<const std::uint32_t> batch(const std::uint32_t* from) const {
    return {from, members, num_rows};
  }
  Matrix<const std::uint32_t> batch() const { return batch(rows.data()); }
};

/// Branches of a pole: 4 observations, 1 action, as inverted_pendulum and cartpole have them. They
/// end when it tilts, which cartpole's do after some steps. Three of the four members are elites.
struct RolloutProblem {
  static constexpr int kRecords = 100;

  TransitionLayout layout{4, 1};
  Buffer<float> records;
  GaussianActor policy{4, 1, {24, 24}};
  EnsembleState model;
  RolloutConstants constants;

  RolloutProblem(int rows, int length, int member_width = 24, const EnsembleForm& form = {})
      : records(random_records(layout, kRecords, 7, 0.1f)),
        model(4, layout, member_width, 2, Memory::kHost, form) {
    init_actor(policy, 3, 0);
    init_ensemble(model, 3, 0, -3.0f, -6.0f);
    model.elites = {2, 0, 3};
    constants = {.num_rows = rows,
                 .length = length,
                 .task = TaskId::kCartpole,
                 .seed = 11,
                 .learner = 1,
                 .rollout_index = 5};
  }

  /// Predicted ends on both sides of the limit, where the model predicts ends.
  void center_predicted_ends() {
    for (int e = 0; e < model.ensemble_size && model.maps.end != EndTarget::kNone; ++e)
      model.member(e)[model.layout.layers.back().bias + 1 + layout.observation_size] = 0.5f;
  }

  TransitionsView view(const Buffer<float>& from) const { return {from.data(), layout, kRecords}; }
  TransitionsView view() const { return view(records); }
};

/// A batch for proximal policy optimization: random observations, actions and advantages;
/// log-probabilities that another policy might have given, so that ratios lie on both sides of the
/// clip range.
struct PpoProblem {
  static constexpr int kRows = 60;

  PpoShape shape;
  PpoState state;
  PpoConstants constants;
  std::vector<float> observation, action, log_prob, advantage, value_target;

  explicit PpoProblem(PpoShape given) : shape(std::move(given)), state(shape) {
    init_ppo(state, {7, purpose::kInit, 0});
    std::vector<float> log_std = random_values(state.log_std.value.size(), 12, 0.3f);
    from_host(state.log_std.value, log_std);
    // biases that are not zero
    for (auto [layout, network] : {std::pair{&state.policy_layout, &state.policy},
                                   std::pair{&state.value_layout, &state.value}}) {
      std::vector<float> parameters = to_host(network->value);
      for (const LayerLayout& l : layout->layers) {
        const std::vector<float> bias = random_values(static_cast<std::size_t>(l.out), 13, 0.1f);
        for (int o = 0; o < l.out; ++o) parameters[l.bias + o] = bias[o];
      }
      from_host(network->value, parameters);
    }

    const auto count = [](int columns) { return static_cast<std::size_t>(kRows * columns); };
    observation = random_values(count(shape.observation_size), 1);
    action = random_values(count(shape.num_actions()), 2);
    log_prob = random_values(count(shape.num_log_probs()), 3, 0.3f);
    advantage = random_values(kRows, 4);
    value_target = random_values(kRows, 5, 2.0f);
    for (int row = 0; row < kRows; ++row) {
      for (std::size_t h = 0; h < shape.heads.size(); ++h) {
        const std::size_t at = row * shape.heads.size() + h;
        action[at] = static_cast<float>((row * 7 + static_cast<int>(h)) % shape.heads[h]);
        log_prob[at] -= std::log(static_cast<float>(shape.heads[h]));
      }
      if (shape.heads.empty()) log_prob[row] -= 1.5f * static_cast<float>(shape.action_size);
    }
    constants = {.clip = 0.2f, .entropy_bonus = 0.03f, .value_weight = 0.7f, .adam = {1e-3f}};
  }

  PpoBatch batch() const {
    return {matrix_of(observation, shape.observation_size), matrix_of(action, shape.num_actions()),
            matrix_of(log_prob, shape.num_log_probs()), vector_of(advantage),
            vector_of(value_target)};
  }

  /// Rows of `num_updates` updates of B rows each, some of them more than once.
  static std::vector<std::uint32_t> rows(int num_updates, int B) {
    std::vector<std::uint32_t> all;
    for (int i = 0; i < num_updates * B; ++i)
      all.push_back(static_cast<std::uint32_t>(i * 17 + i / B) % kRows);
    return all;
  }
};

inline PpoShape categorical_shape() {
  return {.observation_size = 5, .hidden_sizes = {12, 20}, .heads = {2, 3, 3}, .value = true};
}
inline PpoShape gaussian_shape() {
  return {.observation_size = 5,
          .hidden_sizes = {12, 20},
          .heads = {},
          .action_size = 3,
          .value = true};
}

}  // namespace mbrl
