// A batch for proximal policy optimisation, the same for its tests on every device.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/stages/ppo/ppo_update.h"
#include "tests/support/matchers.h"

namespace mbrl {

/// Random observations, actions and advantages; log-probabilities that another policy might have
/// given, so that ratios lie on both sides of the clip range.
struct PpoProblem {
  static constexpr int kRows = 60;

  PpoShape shape;
  PpoState state;
  PpoConstants constants;
  std::vector<float> observation, action, log_prob, advantage, value_target;

  explicit PpoProblem(PpoShape given, Memory memory = Memory::kHost)
      : shape(std::move(given)), state(shape, memory) {
    init_ppo(state, 7, 0);
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
