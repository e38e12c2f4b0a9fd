// Layout of one transition record in a replay, and replays as operations see them.
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

/// Writes a whole record, padding too, so that equal runs write equal files. next_observation may
/// be the record's own.
MBRL_HD void write_record(float* record, const TransitionLayout& layout, const float* observation,
                          const float* action, float reward, bool terminated,
                          const float* next_observation) {
  for (int i = 0; i < layout.observation_size; ++i) record[i] = observation[i];
  for (int i = 0; i < layout.action_size; ++i) record[layout.action() + i] = action[i];
  record[layout.reward()] = reward;
  record[layout.terminated()] = terminated ? 1.0f : 0.0f;
  float* next = record + layout.next_observation();
  for (int i = 0; i < layout.observation_size; ++i) next[i] = next_observation[i];
  for (int i = layout.next_observation() + layout.observation_size; i < layout.pitch(); ++i)
    record[i] = 0.0f;
}

/// Records as operations see them: `size` valid ones, read at random.
struct TransitionsView {
  const float* records = nullptr;
  TransitionLayout layout;
  std::size_t size = 0;

  MBRL_HD const float* record(std::size_t i) const { return records + i * layout.pitch(); }
};

/// Where the rows of a batch come from: the first num_real from `real`, the others from `imagined`,
/// each uniform with replacement.
struct MixedSource {
  TransitionsView real, imagined;
  int num_real = 0;

  MBRL_HD const TransitionsView& of_row(int row) const { return row < num_real ? real : imagined; }
};

/// The ring that imagined transitions go to: records [capacity], the next one at `head`.
struct RingView {
  float* records;
  std::size_t capacity, head;
};

}  // namespace mbrl
