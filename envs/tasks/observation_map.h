// How a dynamics model reads an observation and predicts the next one, entry by entry. A task that
// has such a map says so in its header (Chua et al. 2018, arXiv:1805.12114, preprocess the
// observations of their robots like this).
#pragma once

#include <cstdint>

#include "base/hd.h"
#include "base/trigonometry.h"

namespace mbrl {

struct ObservationMap {
  static constexpr int kMaxEntries = 32;

  enum class Read : std::uint8_t { kValue, kSine, kCosine };
  struct Input {
    std::uint8_t entry;  // of the observation
    Read read;
    bool operator==(const Input&) const = default;
  };

  int num_inputs = 0;  // 0: the model reads the observation as it is
  Input input[kMaxEntries] = {};
  // bit i: the model predicts entry i itself, in place of its change
  std::uint32_t absolute = 0;

  /// Entries that the model reads, of an observation of S.
  MBRL_HD int size(int observation_size) const {
    return num_inputs > 0 ? num_inputs : observation_size;
  }
  /// Input `i`, unscaled.
  MBRL_HD float value(const float* observation, int i) const {
    if (num_inputs == 0) return observation[i];
    const float x = observation[input[i].entry];
    switch (input[i].read) {
      case Read::kValue:
        return x;
      case Read::kSine:
        return sin_f(x);
      case Read::kCosine:
        return cos_f(x);
    }
    return x;
  }
  MBRL_HD bool predicts_itself(int entry) const { return entry < 32 && (absolute >> entry & 1u); }

  bool operator==(const ObservationMap&) const = default;
};

}  // namespace mbrl
