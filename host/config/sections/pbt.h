// Section "pbt": a search by a population whose members learn from each other. `mbrl_gpu tune` reads it;
// no run does.
#pragma once

#include <string>
#include <vector>

#include "base/keys.h"

namespace mbrl {

/// The defaults are those of Zhang et al. 2021 (arXiv:2102.13651); tune.trials is the number of
/// members.
struct PbtConfig {
  MBRL_KEY(std::string, mode,
           "synchronous: members meet at each exchange, and the seed alone decides; asynchronous: "
           "none waits for another",
           Choices{{"synchronous", "asynchronous"}}) = "synchronous";
  MBRL_KEY(int, first,
           "steps of a member before its first exchange; 0: exploration and six evaluations",
           Unit{"env steps"}, at_least(0)) = 0;
  MBRL_KEY(int, interval, "steps between two exchanges; 0: five evaluations", Unit{"env steps"},
           at_least(0)) = 0;
  MBRL_KEY(double, truncation,
           "share of the members that copy another, and of those that are copied",
           Range{.low = 0, .high = 0.5, .low_open = true}) = 0.2;
  MBRL_KEY(std::string, copy,
           "what is copied: all; weights: all that is learned, without the history of transitions; "
           "hyperparameters: these alone",
           Choices{{"all", "weights", "hyperparameters"}}) = "all";
  MBRL_KEY(
      std::string, explore,
      "how a copied value is changed: unit: by x0.8 or x1.2 of its place between the ends of "
      "its range, as the authors; raw: the value by x0.8 or x1.2, whole numbers by one at least",
      Choices{{"unit", "raw"}}) = "unit";
  MBRL_KEY(double, resample, "chance that all values are drawn anew instead", between(0, 1)) = 0.25;
  MBRL_KEY(int, backtrack_interval, "pbt_bt: exchanges of a member between two looks back",
           at_least(1)) = 30;
  MBRL_KEY(double, tolerance,
           "pbt_bt: share of the worst elite's return that a member may be behind it",
           at_least(0)) = 0.2;
  MBRL_KEY(double, elites, "pbt_bt: size of the archive of elites, as a share of the members",
           Range{.low = 0, .high = 1, .low_open = true}) = 0.125;
  MBRL_KEY(std::vector<int>, frequencies,
           "mf_pbt: of each sub-population how many exchanges pass from one evolution to the next",
           at_least(1)) = {1, 10, 25, 50};
};

}  // namespace mbrl
