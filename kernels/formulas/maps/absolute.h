// Output map absolute: the model predicts each observation entry itself.
#pragma once

#include "base/hd.h"

namespace mbrl {

struct AbsoluteOutput {
  MBRL_HD static float target(float, float to) { return to; }
  MBRL_HD static float state(float, float predicted) { return predicted; }
};

}  // namespace mbrl
