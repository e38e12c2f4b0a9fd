// Section "model": learned dynamics.
#pragma once

#include <string>
#include <vector>

#include "base/keys.h"
#include "kernels/formulas/losses/list.h"

namespace mbrl {

/// A probabilistic ensemble (Chua et al. 2018, arXiv:1805.12114); the defaults are those of the
/// reference MBPO.
struct ModelConfig {
  MBRL_KEY(std::string, loss,
           "loss of the members: gaussian_nll predicts distributions, mse means alone",
           Choices{ensemble_loss_names()}) = "gaussian_nll";
  MBRL_KEY(int, ensemble_size,
           "members of the ensemble; each trains on its own bootstrap of the data",
           at_least(1)) = 7;
  // a row of a rollout keeps its elite's position in one byte
  MBRL_KEY(int, num_elites, "members used for rollouts, ranked by holdout error; on a GPU up to 32",
           between(1, 256)) = 5;
  MBRL_KEY(int, hidden_size, "width of the hidden layers", Unit{"units"}, at_least(1)) = 200;
  MBRL_KEY(int, num_hidden_layers, "hidden layers of each member", at_least(1)) = 4;
  MBRL_KEY(float, learning_rate, "Adam's step size for the ensemble", above(0), kLive) = 1e-3f;
  MBRL_KEY(std::vector<float>, weight_decay,
           "L2 decay of each layer's weights, first to last; num_hidden_layers + 1 values, or one "
           "for all layers",
           at_least(0), kLive) = {2.5e-5f, 5e-5f, 7.5e-5f, 7.5e-5f, 1e-4f};
  MBRL_KEY(int, batch_size, "rows per member and training step", Unit{"rows"}, at_least(1)) = 256;
  MBRL_KEY(int, epochs, "epochs of a fit that has no holdout", Unit{"model epochs"}, at_least(1),
           kLive) = 5;
  MBRL_KEY(double, holdout_ratio, "share of the real data kept for early stopping",
           strictly_between(0, 1), kLive) = 0.2;
  MBRL_KEY(int, max_holdout, "upper limit of the holdout set", Unit{"rows"}, at_least(1),
           kLive) = 5000;
  MBRL_KEY(int, patience, "stop after more than this many epochs in a row without improvement",
           Unit{"model epochs"}, at_least(0), kLive) = 5;
  MBRL_KEY(float, min_improvement, "relative fall of a member's holdout error that counts",
           Range{.low = 0, .high = 1, .high_open = true}, kLive) = 0.01f;
  MBRL_KEY(int, max_epochs, "epochs per fit; 0: no limit", Unit{"model epochs"}, at_least(0),
           kLive) = 0;
  MBRL_KEY(float, logvar_penalty, "weight of sum(max_logvar) - sum(min_logvar) in the loss",
           at_least(0), kLive) = 0.01f;
  MBRL_KEY(float, max_target,
           "a real transition with a larger target, or one that is not finite, is left out of fits",
           Unit{"target units"}, above(0)) = 1e4f;
  MBRL_KEY(float, init_max_logvar, "start of the learned upper bound of the log variance",
           Unit{"nats"}) = 0.5f;
  MBRL_KEY(float, init_min_logvar, "start of the learned lower bound of the log variance",
           Unit{"nats"}) = -10.0f;
  // the reference uses 1e-12, which lets the float noise of a constant input through
  MBRL_KEY(float, min_input_std, "standard deviations below this count as 1 in the input scaler",
           at_least(0), kLive, kVariant) = 1e-6f;
};

}  // namespace mbrl
