// Section "eval": evaluations during a run.
#pragma once

#include "base/keys.h"

namespace mbrl {

struct EvalConfig {
  MBRL_KEY(int, interval, "distance between two evaluations", Unit{"env steps"},
           at_least(1)) = 1000;
  MBRL_KEY(int, num_episodes, "episodes of one evaluation", Unit{"episodes"}, at_least(1)) = 10;
};

}  // namespace mbrl
