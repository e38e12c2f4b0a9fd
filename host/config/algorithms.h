// The one list of algorithms. Each name stands for a function `Algorithm <name>_algorithm()` of
// namespace mbrl::algorithms, which host/algo/registry.h explains.
#pragma once

// clang-format off
#define MBRL_ALGORITHMS(X) \
  X(mbpo)                  \
  X(sac)                   \
  X(ppo)                   \
  X(autombpo)
// clang-format on
