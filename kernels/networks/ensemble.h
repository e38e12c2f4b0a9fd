// The ensemble of dynamics models: its networks, its input scaler and what its loss has learned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/buffer.h"
#include "kernels/data/transition.h"
#include "kernels/formulas/ensemble_rows.h"
#include "kernels/formulas/losses/list.h"
#include "kernels/networks/mlp_layout.h"
#include "kernels/networks/parameters.h"

namespace mbrl {

/// What a model is fitted by, and what it reads and predicts.
struct EnsembleForm {
  EnsembleLoss loss = EnsembleLoss::kGaussianNll;
  ModelMaps maps = {};
};

/// Layout of one member: inputs -> hidden ... -> outputs.
MlpLayout member_layout(const TransitionLayout& data, int hidden_size, int num_hidden_layers,
                        const EnsembleForm& form);

/// Everything training changes, kept from fit to fit.
struct EnsembleState {
  int ensemble_size;      // E
  TransitionLayout data;  // S, A
  EnsembleLoss loss;
  ModelMaps maps;
  MlpLayout layout;           // of one member; output j of target i is unit j D + i
  TrainedParameters members;  // [E, layout.size]
  TrainedParameters
      logvar_bounds;           // [shared parameters of the loss, padded(D)]: of gaussian_nll the
                               // maximum and the minimum, of mse none
  std::int64_t num_steps = 0;  // Adam steps
  Buffer<float> input_mean, input_inv_std;  // [inputs]
  std::vector<int> elites;                  // members used for prediction, best first
  float end_threshold = 0.5f;               // above which a predicted end is one

  EnsembleState(int ensemble_size, TransitionLayout data, int hidden_size, int num_hidden_layers,
                Memory memory = Memory::kHost, const EnsembleForm& form = {});
  /// Another one of the shape of `like`; what its arrays hold is not copied.
  EnsembleState(const EnsembleState& like, Memory memory);

  /// D: with the usual maps 1 + S, the reward and the change of the observation.
  int num_targets() const { return maps.num_targets(data.observation_size); }
  /// Those of them that the loss and the holdout error are of.
  int num_regressed() const { return maps.num_regressed(data.observation_size); }
  int num_inputs() const { return maps.num_inputs(data.observation_size, data.action_size); }
  /// Learned parameters per target that all members share.
  int num_shared() const { return static_cast<int>(loss_shape(loss).shared_names.size()); }
  float* member(int e) { return members.value.data() + e * layout.size; }
  const float* member(int e) const { return members.value.data() + e * layout.size; }
  /// Shared parameter `which` of each target.
  float* shared(int which) { return logvar_bounds.value.data() + which * padded(num_targets()); }
  const float* shared(int which) const {
    return logvar_bounds.value.data() + which * padded(num_targets());
  }
  float* max_logvar() { return shared(0); }
  float* min_logvar() { return shared(1); }
  const float* max_logvar() const { return shared(0); }
  const float* min_logvar() const { return shared(1); }
};

/// Truncated-normal weights, zero biases, the given bounds where the loss has them, moments zero,
/// identity scaler, all members elites.
void init_ensemble(EnsembleState& state, std::uint32_t seed, std::uint32_t learner,
                   float init_max_logvar, float init_min_logvar);

}  // namespace mbrl
