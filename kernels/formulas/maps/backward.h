// Input map backward: the model starts from (next observation, action) and predicts where the
// transition came from (Lai et al. 2020, arXiv:2007.01995).
#pragma once

#include "kernels/formulas/maps/forward.h"

namespace mbrl {

struct BackwardInput : ForwardInput {
  static constexpr bool kBackward = true;
};

}  // namespace mbrl
