// Where fresh data for analysis comes from: episodes and action noise that no training step and no
// evaluation has.
#pragma once

#include <cstdint>

#include "host/algo/learner.h"

namespace mbrl {

// beyond every step and episode that training or evaluation counts to
constexpr std::uint64_t kFreshStep = std::uint64_t{1} << 48;
constexpr std::uint64_t kFreshEpisode = std::uint64_t{1} << 31;

inline std::uint32_t fresh_seed(const Learner& learner) {
  return static_cast<std::uint32_t>(learner.config().seed);
}

}  // namespace mbrl
