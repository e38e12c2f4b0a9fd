// Section "autombpo": learning of a controller over whole MBPO runs.
#pragma once

#include <string>

#include "base/keys.h"

namespace mbrl {

/// A whole MBPO run is an episode of the controller, a hyper-episode.
struct AutoMbpoConfig {
  // ror is that of Dong et al. 2019
  MBRL_KEY(std::string, scheme,
           "ppo: a controller learns over all hyper-episodes; ror: a small Q-network learns anew "
           "inside each run",
           Choices{{"ppo", "ror"}}) = "ppo";
  MBRL_KEY(int, num_episodes, "hyper-episodes for each controller of the stack", Unit{"MBPO runs"},
           at_least(1)) = 100;
  MBRL_KEY(int, episodes_per_stage, "hyper-episodes between updates of the controller",
           Unit{"MBPO runs"}, at_least(1)) = 10;
  MBRL_KEY(int, train_epochs, "length of a hyper-episode after exploration", Unit{"epochs"},
           at_least(1)) = 50;
  MBRL_KEY(int, eval_epochs, "length of the evaluation's runs after exploration", Unit{"epochs"},
           at_least(1)) = 95;
  // the paper's algorithm says every, the released code does the other
  MBRL_KEY(std::string, length_decisions,
           "when a decision may change the rollout length: every: always; epoch: at the first "
           "decision of an epoch alone",
           Choices{{"every", "epoch"}}, kVariant) = "every";
  MBRL_KEY(int, num_seeds, "runs of the evaluation, and of default MBPO", Unit{"MBPO runs"},
           at_least(1)) = 10;
  MBRL_KEY(std::string, baseline,
           "folder of default MBPO runs to compare with; empty: made and kept") = "";
};

}  // namespace mbrl
