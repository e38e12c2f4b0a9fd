// Random actions for timing environments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "host/algo/draws.h"

namespace mbrl {

inline constexpr int kActionRows = 256;  // drawn once, so that drawing them costs no time

inline float random_action(std::uint64_t step, int i) {
  const RandomKey key{1, purpose::kActionNoise, 0};
  return 2.0f * uniform01(key.bits(step, static_cast<std::uint32_t>(i)).x) - 1.0f;
}

/// kActionRows rows of actions, round and round.
class Actions {
 public:
  explicit Actions(int width) : width_(width) {
    for (std::uint64_t row = 0; row < kActionRows; ++row)
      for (int i = 0; i < width; ++i) values_.push_back(random_action(row, i));
  }
  std::span<const float> row(std::uint64_t step) const {
    return std::span(values_).subspan(step % kActionRows * width_, width_);
  }

 private:
  std::size_t width_;
  std::vector<float> values_;
};

}  // namespace mbrl
