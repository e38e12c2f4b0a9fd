// The one list of algorithms. Each name stands for a function `Algorithm <name>_algorithm()` of
// namespace mbrl::algorithms, which host/algo/registry.h explains.
#pragma once

#include <string>
#include <vector>

// clang-format off
#define MBRL_ALGORITHMS(X) \
  X(mbpo)                  \
  X(mbpo_newest)           \
  X(sac)                   \
  X(ppo)                   \
  X(pets)                  \
  X(autombpo)
// clang-format on

namespace mbrl {

/// Of the list, then those that a program has registered (host/algo/registry.h): what config.algorithm
/// may be.
inline std::vector<std::string>& algorithm_names() {
#define MBRL_NAME(name) #name,
  static std::vector<std::string> names{MBRL_ALGORITHMS(MBRL_NAME)};
#undef MBRL_NAME
  return names;
}

}  // namespace mbrl
