// Exponential averaging of target networks.
#pragma once

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

/// tau source + (1 - tau) target.
MBRL_HD float polyak(float target, float source, float tau) {
  return fma_f(tau, source - target, target);
}

}  // namespace mbrl
