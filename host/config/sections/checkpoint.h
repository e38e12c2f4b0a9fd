// Section "checkpoint": when a run saves its state.
#pragma once

#include "base/keys.h"

namespace mbrl {

struct CheckpointConfig {
  MBRL_KEY(int, interval, "distance between two checkpoints; 0: only at the end and when stopped",
           Unit{"env steps"}, at_least(0)) = 10000;
  MBRL_KEY(float, minutes, "wall time between two checkpoints, beside `interval`; 0: off",
           Unit{"minutes"}, at_least(0)) = 0.0f;
  MBRL_KEY(int, keep, "checkpoints kept, newest first", at_least(1)) = 2;
  MBRL_KEY(bool, other_simulator,
           "go on from a checkpoint whose environment ran on another version of its simulator") =
      false;
};

}  // namespace mbrl
