// Section "tune": a search for values of keys over many runs. `mbrl_gpu tune` reads it; no run does.
#pragma once

#include <string>

#include "base/keys.h"
#include "host/config/search_space.h"

namespace mbrl {

struct TuneConfig {
  MBRL_KEY(SearchSpace, space, "what is searched: key -> {low, high, log, int} or {choices}") = {};
  MBRL_KEY(
      std::string, method,
      "random: settings drawn from the space; grid: all combinations; hyperband: many settings "
      "for few steps, the best of them for more; pbt, pbt_bt, mf_pbt: a population whose members "
      "copy each other and change their values while they train",
      Choices{{"random", "grid", "hyperband", "pbt", "pbt_bt", "mf_pbt"}}) = "random";
  MBRL_KEY(int, trials, "settings that random draws; members of a population", Unit{"trials"},
           at_least(1)) = 40;
  // of a range; of whole numbers no more than there are
  MBRL_KEY(int, points, "values of each range in a grid", at_least(2)) = 3;
  MBRL_KEY(double, budget, "steps of all trials together, after which none begins; 0: no limit",
           Unit{"env steps"}, at_least(0)) = 0.0;
  MBRL_KEY(int, seeds, "runs of each trial: seeds 0 to n - 1, which no test uses", Unit{"runs"},
           between(1, 10)) = 1;
  MBRL_KEY(int, test_seeds,
           "runs of the best setting afterwards: seeds from 100 on, which no trial uses",
           Unit{"runs"}, at_least(1)) = 10;
  MBRL_KEY(int, min_steps,
           "steps of hyperband's first rung at the least; 0: a ninth of a whole run",
           Unit{"env steps"}, at_least(0)) = 0;
  MBRL_KEY(int, eta,
           "of how many settings hyperband keeps one, and how many times the steps that "
           "one gets next",
           at_least(2)) = 3;
  MBRL_KEY(int, iterations, "brackets of hyperband", at_least(1)) = 15;
  MBRL_KEY(std::string, rungs,
           "what hyperband's settings do in their next rung: scratch: train anew, as published; "
           "continued: go on with what they have learned",
           Choices{{"scratch", "continued"}}) = "scratch";
};

}  // namespace mbrl
