// What planners' costs read of an action.
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Sum of squares of the controls of an action [A]; scale: control per unit of the action.
MBRL_HD float squared_control(const float* action, int action_size, float scale) {
  float sum = 0.0f;
  for (int i = 0; i < action_size; ++i) sum += (scale * action[i]) * (scale * action[i]);
  return sum;
}

}  // namespace mbrl
