// Section "ppo": the on-policy learner.
#pragma once

#include <vector>

#include "base/keys.h"

namespace mbrl {

/// Proximal policy optimization (Schulman et al. 2017, arXiv:1707.06347). The defaults are the
/// paper's for MuJoCo where it states them.
struct PpoConfig {
  MBRL_KEY(int, num_envs, "environments stepped at once by algorithm ppo", at_least(1)) = 1;
  MBRL_KEY(int, steps_per_update, "steps of each environment between two updates",
           Unit{"env steps"}, at_least(1)) = 2048;
  MBRL_KEY(int, epochs, "times that an update goes over what was collected", between(1, 256)) = 10;
  MBRL_KEY(int, batch_size, "rows of a gradient step; divides num_envs * steps_per_update",
           Unit{"rows"}, at_least(1)) = 64;
  MBRL_KEY(float, clip, "half width of the range of the ratio of probabilities", above(0),
           kLive) = 0.2f;
  MBRL_KEY(float, discount, "discount of the return", Unit{"per env step"}, between(0, 1),
           kLive) = 0.99f;
  MBRL_KEY(float, gae_lambda, "weight of later steps in an advantage", Unit{"per env step"},
           between(0, 1), kLive) = 0.95f;
  MBRL_KEY(float, entropy_bonus, "weight of the policy's entropy in the loss",
           Unit{"loss units per nat"}, at_least(0), kLive) = 0.0f;
  MBRL_KEY(float, value_weight, "weight of the value loss, half the mean squared error",
           at_least(0), kLive) = 0.5f;
  MBRL_KEY(float, max_gradient_norm,
           "limit of the gradient's norm over policy and value network; 0: none", at_least(0),
           kLive) = 0.5f;
  MBRL_KEY(float, learning_rate, "Adam's step size for policy and value network", above(0),
           kLive) = 3e-4f;
  // with tanh between them
  MBRL_KEY(std::vector<int>, hidden_sizes,
           "widths of the hidden layers of policy and value network", Unit{"units"},
           at_least(1)) = {64, 64};
  MBRL_KEY(bool, normalize_observations,
           "scale observations by their running mean and deviation") = true;
  MBRL_KEY(bool, normalize_rewards,
           "scale rewards by the running deviation of the discounted return") = true;
};

}  // namespace mbrl
