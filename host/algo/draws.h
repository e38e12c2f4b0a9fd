// What acting in the environment draws.
#pragma once

#include "base/rng.h"

namespace mbrl::purpose {

inline constexpr Purpose kActionNoise{3};  // of the policy
inline constexpr Purpose kExploration{14};

}  // namespace mbrl::purpose
