// Layout of one transition record in a replay.
//
//   observation [S] | action [A] | reward | terminated | next_observation [S] | padding
//
// Records, not columns: training reads rows at random, and a record is one run of cache lines. The
// pitch is a whole number of 32-byte sectors.
#pragma once

#include <cstddef>

#include "base/hd.h"

namespace mbrl {

struct TransitionLayout {
  int observation_size = 0;  // S
  int action_size = 0;       // A

  MBRL_HD int action() const { return observation_size; }
  MBRL_HD int reward() const { return observation_size + action_size; }
  MBRL_HD int terminated() const { return reward() + 1; }
  MBRL_HD int next_observation() const { return reward() + 2; }
  /// Floats between records.
  MBRL_HD int pitch() const { return (next_observation() + observation_size + 7) / 8 * 8; }
};

/// Records as operations see them: `size` valid ones, read at random.
struct TransitionsView {
  const float* records = nullptr;
  TransitionLayout layout;
  std::size_t size = 0;

  MBRL_HD const float* record(std::size_t i) const { return records + i * layout.pitch(); }
};

}  // namespace mbrl
