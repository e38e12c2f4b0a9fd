// AutoMBPO's hyper-MDP: what a controller sees of an MBPO run, what it may do, what it is paid
// (Lai et al. 2021, arXiv:2111.08550, section 5.1).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "host/config/config.h"
#include "host/tune/hyperparameters.h"

namespace mbrl {

/// The hyperparameters that a controller's heads can decide on, by the names that controller.heads
/// has for them, in the order of its decisions: real_ratio, model (option 0 fits the ensemble
/// again, option 1 does not), updates and rollout_length.
std::vector<TunedHyperparameter> steered_hyperparameters(const Config& config);

/// Where a steered run starts: controller.init_*, the first length of rollout.schedule.
HyperValues start_values(const Config& config);

/// Whether a head is in a list of heads.
bool has_head(const std::vector<std::string>& heads, const std::string& head);

/// Number of options of a head.
int num_options(const std::string& head);

/// Chosen options, one of each head, out of JSON. Errors: ValueError that begins with `name`.
std::vector<float> options_from_json(const nlohmann::json& json, const std::string& name,
                                     const std::vector<std::string>& heads);

/// The values after a head's decision: real ratio in (0, 1], updates and length from 1 on.
HyperValues after_decision(HyperValues values, const std::string& head, int option,
                           const Config& config);

/// Whether the decision after `train_steps` steps of training may change the rollout length.
bool may_change_length(std::int64_t train_steps, const Config& config);

/// What is measured of a run for the state, in natural units.
struct HyperMeasurements {
  double samples;        // share of the run's training steps that are done
  double model_loss;     // mean holdout error of the elites in the last fit
  double critic_loss;    // mean of both critics over the updates since the last decision
  double policy_change;  // mean |pi(a|s) - pi_D(a|s)| on recent real steps
  double last_return;    // of the last evaluation
};

/// The state in [0, 1]: the chosen features of `m`, scaled, then, if "values" is among them, the
/// value of each head in `visible` as a share of its largest. A toggle has none: each decision
/// replaces it.
std::vector<float> hyper_state(const HyperMeasurements& m, const HyperValues& values,
                               const std::vector<std::string>& visible, const Config& config);
int hyper_state_size(const std::vector<std::string>& visible, const Config& config);

/// The part of the reward that a decision costs or earns at once. Half the penalty either way: a
/// fit at every second decision, as default MBPO has, costs nothing, so that the baseline needs no
/// penalty of its own.
double training_reward(bool fit_model, const ControllerConfig& config);

/// The part that an evaluation gives to the last decision before it: equation 9's R - R'.
double evaluation_reward(double mean_return, double baseline, const ControllerConfig& config);

/// advantage[t] = sum of reward[i] over i >= t (equation 9), undiscounted.
std::vector<float> advantages(const std::vector<double>& rewards);

/// Subtracts from the advantages of a stage's hyper-episodes what controller.centering says: the
/// mean of all, or at each decision the mean over the hyper-episodes that have it.
void center(std::vector<std::vector<float>>& advantages, const std::string& centering);

/// The heads of each controller of the stack, in the order in which they decide: all at once, or
/// the released code's three groups, as far as controller.heads has them.
std::vector<std::vector<std::string>> controller_groups(const ControllerConfig& config);

/// The heads of controller.apply that decide while a group learns: its own and those of the groups
/// before it. Groups whose turn has not come leave their hyperparameters to the config.
std::vector<std::string> heads_in_turn(const ControllerConfig& config, int group);

}  // namespace mbrl
