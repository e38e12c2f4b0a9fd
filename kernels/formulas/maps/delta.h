// Output map delta: the model predicts the change of each observation entry.
#pragma once

#include "base/hd.h"

namespace mbrl {

struct DeltaOutput {
  /// What the model learns, given an entry of the state it starts from and of the one it predicts.
  MBRL_HD static float target(float from, float to) { return to - from; }
  /// The inverse: the predicted entry.
  MBRL_HD static float state(float from, float predicted) { return from + predicted; }
};

}  // namespace mbrl
