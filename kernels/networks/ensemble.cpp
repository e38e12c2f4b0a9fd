#include "kernels/networks/ensemble.h"

#include <algorithm>

#include "kernels/networks/initialize.h"

namespace mbrl {

MlpLayout member_layout(const TransitionLayout& data, int hidden_size, int num_hidden_layers,
                        const EnsembleForm& form) {
  return make_mlp_layout(
      form.maps.num_inputs(data.observation_size, data.action_size),
      std::vector<int>(static_cast<std::size_t>(num_hidden_layers), hidden_size),
      loss_shape(form.loss).num_outputs * form.maps.num_targets(data.observation_size));
}

EnsembleState::EnsembleState(int size, TransitionLayout transition, int hidden_size,
                             int num_hidden_layers, Memory memory, const EnsembleForm& form)
    : ensemble_size(size),
      data(transition),
      loss(form.loss),
      maps(form.maps),
      layout(member_layout(transition, hidden_size, num_hidden_layers, form)),
      members(size * layout.size, memory),
      logvar_bounds(static_cast<std::size_t>(num_shared() * padded(num_targets())), memory),
      input_mean(num_inputs(), 0.0f, memory, "input scaler"),
      input_inv_std(num_inputs(), 1.0f, memory, "input scaler") {}

EnsembleState::EnsembleState(const EnsembleState& like, Memory memory)
    : ensemble_size(like.ensemble_size),
      data(like.data),
      loss(like.loss),
      maps(like.maps),
      layout(like.layout),
      members(like.members.value.size(), memory),
      logvar_bounds(like.logvar_bounds.value.size(), memory),
      input_mean(like.input_mean.size(), memory, "input scaler"),
      input_inv_std(like.input_inv_std.size(), memory, "input scaler") {}

void init_ensemble(EnsembleState& state, std::uint32_t seed, std::uint32_t learner,
                   float init_max_logvar, float init_min_logvar) {
  const RandomKey key{seed, purpose::kInit, learner};
  for (int e = 0; e < state.ensemble_size; ++e)
    init_truncated_normal(state.layout, state.member(e), key,
                          static_cast<InitNetwork>(static_cast<int>(InitNetwork::kMember0) + e));
  std::vector<float> shared(state.logvar_bounds.value.size(), 0.0f);
  with_loss(state.loss, [&]<typename Loss>() {
    for (int i = 0; i < Loss::kShared; ++i)
      std::fill_n(shared.begin() + i * padded(state.num_targets()), state.num_targets(),
                  Loss::shared_start(i, {init_max_logvar, init_min_logvar}));
  });
  from_host(state.logvar_bounds.value, shared);
  state.elites.clear();
  for (int e = 0; e < state.ensemble_size; ++e) state.elites.push_back(e);
}

}  // namespace mbrl
