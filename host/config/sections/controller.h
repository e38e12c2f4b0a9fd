// Section "controller": AutoMBPO's hyper-controller.
#pragma once

#include <string>
#include <vector>

#include "base/keys.h"

namespace mbrl {

/// What a controller may decide on.
inline const std::vector<std::string>& head_names() {
  static const std::vector<std::string> names{"real_ratio", "model", "updates", "rollout_length"};
  return names;
}

/// What a controller may see, in the order of its state's entries.
inline const std::vector<std::string>& feature_names() {
  static const std::vector<std::string> names{"samples",       "model_loss", "critic_loss",
                                              "policy_change", "return",     "values"};
  return names;
}

/// The controller (Lai et al. 2021, arXiv:2111.08550, section 5), and what it sees of the MBPO
/// run that it steers. Scales are the values that count as 1.
struct ControllerConfig {
  MBRL_KEY(std::string, file, "a trained controller, which then steers the run") = "";
  MBRL_KEY(std::vector<std::string>, heads, "what the controller decides on",
           Choices{head_names()}) = head_names();
  MBRL_KEY(std::vector<std::string>, apply,
           "heads whose decisions take effect; the others' hyperparameters follow the config",
           Choices{head_names()}) = head_names();
  MBRL_KEY(std::vector<std::string>, features, "what the controller sees",
           Choices{feature_names()}) = feature_names();
  MBRL_KEY(int, interval, "distance between decisions", Unit{"env steps"}, at_least(1)) = 125;
  MBRL_KEY(double, ratio_factor, "a decision multiplies the real ratio by 1/c, 1 or c",
           above(1)) = 1.2;
  MBRL_KEY(double, init_real_ratio, "start of the real ratio, if it is decided on",
           between(0, 1)) = 0.05;
  MBRL_KEY(int, init_updates_per_step, "start of the updates per step, if they are decided on",
           Unit{"updates"}, at_least(1)) = 10;
  MBRL_KEY(int, max_updates_per_step, "upper limit of the updates per step", Unit{"updates"},
           at_least(1)) = 20;
  MBRL_KEY(int, rollout_interval, "distance between rollouts of a steered run", Unit{"env steps"},
           at_least(1)) = 125;
  MBRL_KEY(int, rollout_batch_size, "start states of each rollout of a steered run", Unit{"states"},
           at_least(1)) = 50000;
  MBRL_KEY(float, training_penalty, "price of a model fit in scaled reward", at_least(0)) = 0.1f;
  MBRL_KEY(float, reward_scale, "return that is one unit of the controller's reward",
           Unit{"reward"}, above(0)) = 300.0f;
  MBRL_KEY(float, return_scale, "return that the controller sees as 1", Unit{"reward"},
           above(0)) = 3000.0f;
  MBRL_KEY(float, model_loss_scale, "validation loss that the controller sees as 1",
           above(0)) = 0.01f;
  MBRL_KEY(float, critic_loss_scale, "critic loss that the controller sees as 1",
           above(0)) = 100.0f;
  MBRL_KEY(float, policy_change_scale, "policy change that the controller sees as 1",
           above(0)) = 10.0f;
  // one layer, tanh
  MBRL_KEY(int, hidden_size, "width of the controller's hidden layer", Unit{"units"},
           at_least(1)) = 256;
  MBRL_KEY(float, learning_rate, "Adam's step size for the controller", above(0)) = 3e-4f;
  MBRL_KEY(float, clip, "PPO's limit on the change of a probability ratio",
           strictly_between(0, 1)) = 0.2f;
  // off in the paper, as is the learned value
  MBRL_KEY(float, entropy_bonus, "weight of the controller's entropy in its objective",
           at_least(0)) = 0.0f;
  MBRL_KEY(bool, value_baseline,
           "subtract a learned value from the controller's advantage") = false;
  // the paper subtracts default MBPO's returns alone: what a stage's runs have in common then looks
  // like the merit of whatever they chose
  MBRL_KEY(std::string, centering,
           "mean to subtract from the advantages of a stage: none; stage: of all its decisions; "
           "decision: of its hyper-episodes at the same decision",
           Choices{{"none", "stage", "decision"}}) = "none";
  MBRL_KEY(int, batch_size, "decisions in an update of the controller", Unit{"decisions"},
           at_least(1)) = 64;
  MBRL_KEY(int, updates_per_episode, "updates of the controller for each hyper-episode",
           Unit{"updates"}, at_least(0)) = 30;
  // joint is the paper's, staged the released code's: real_ratio and model, updates,
  // rollout_length
  MBRL_KEY(std::string, stack,
           "joint: one controller with a head per hyperparameter; staged: three, trained one after "
           "the other",
           Choices{{"joint", "staged"}}) = "joint";
  // the released code has 1, 0.8, ... 0 on MuJoCo
  MBRL_KEY(std::vector<float>, epsilon,
           "chance of a uniform random decision, stage by stage; the last value stays",
           between(0, 1)) = {0.0f};
};

}  // namespace mbrl
