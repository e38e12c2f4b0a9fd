// Input map forward: the model starts from (observation, action) and predicts what comes next.
#pragma once

#include "base/hd.h"

namespace mbrl {

struct ForwardInput {
  static constexpr bool kBackward = false;

  MBRL_HD static int size(int observation_size, int action_size) {
    return observation_size + action_size;
  }
  /// Input `i`, before it is scaled. `from`: the state that the model starts from.
  MBRL_HD static float value(const float* from, const float* action, int observation_size, int i) {
    return i < observation_size ? from[i] : action[i - observation_size];
  }
};

}  // namespace mbrl
