// AutoMBPO's hyper-MDP: what a controller sees of an MBPO run, what it may do, what it is paid
// (Lai et al. 2021, arXiv:2111.08550, section 5.1).
#pragma once

#include <string>
#include <vector>

#include "host/config/config.h"

namespace mbrl {

/// A hyperparameter that a controller decides on.
enum class Head {
  kRealRatio,      // times 1/c, 1 or c
  kModel,          // option 0 refits the ensemble, 1 does not
  kUpdates,        // G - 1, G, G + 1
  kRolloutLength,  // k - 1, k, k + 1
};
const std::vector<std::string>& head_names();
const std::string& head_name(Head head);
Head head_of(const std::string& name);
int num_options(Head head);

/// Entries of the state, in this order; a list in the config chooses among them.
const std::vector<std::string>& feature_names();

/// The hyperparameters under a controller.
struct HyperValues {
  double real_ratio;
  bool fit_model;
  int updates_per_step;
  int rollout_length;
};

/// Where a steered run starts: controller.init_*, the first length of rollout.schedule.
HyperValues start_values(const Config& config);

/// The values after a decision: real ratio in (0, 1], updates in [1, max], length in [1, max].
HyperValues decided(HyperValues values, Head head, int option, const Config& config);

/// What is measured of a run for the state, in natural units.
struct HyperMeasurements {
  double samples;        // share of the run's training steps that are done
  double model_loss;     // mean holdout error of the elites in the last fit
  double critic_loss;    // mean of both critics over the updates since the last decision
  double policy_change;  // mean |pi(a|s) - pi_D(a|s)| on recent real steps
  double last_return;    // of the last evaluation
};

/// The state in [0, 1]: the chosen features of `m`, scaled, then, if "values" is among them, the
/// value of each head in `seen` but the model's, which has none.
std::vector<float> hyper_state(const HyperMeasurements& m, const HyperValues& values,
                               const std::vector<Head>& seen, const Config& config);
int hyper_state_size(const std::vector<Head>& seen, const Config& config);

/// The part of the reward that a decision costs or earns at once. Half the penalty either way: a
/// fit at every second decision, as default MBPO has, costs nothing, so that the baseline needs no
/// penalty of its own.
double training_reward(bool fit_model, const ControllerConfig& config);

/// The part that an evaluation gives to the last decision before it: equation 9's R - R'.
double evaluation_reward(double mean_return, double baseline, const ControllerConfig& config);

/// advantage[t] = sum of reward[i] over i >= t (equation 9), undiscounted.
std::vector<float> advantages(const std::vector<double>& rewards);

/// The heads of each controller of the stack, in the order in which they decide: all at once, or
/// the released code's three groups, as far as controller.heads has them.
std::vector<std::vector<Head>> controller_groups(const ControllerConfig& config);

/// The member's config under a controller: AutoMBPO's rollouts, and MBPO everywhere else.
Config steered_config(const Config& config);

}  // namespace mbrl
