// Whole episodes of a trained policy as data: for open-loop predictions, and in files, as banks of
// trajectories that models are measured on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "cuda/stream.h"
#include "host/algo/learner.h"
#include "kernels/data/transition.h"

namespace mbrl {

/// Transitions of episodes, one episode after the other.
struct Episodes {
  std::string env;  // "" where a file does not say
  TransitionLayout layout;
  std::vector<float> records = {};   // [steps of all, pitch], on the host
  std::vector<int> lengths = {};     // of each episode; none where a file does not say
  std::vector<double> returns = {};  // of each episode, undiscounted, up to its last step here

  std::size_t num_steps() const {
    return records.size() / static_cast<std::size_t>(layout.pitch());
  }
  TransitionsView view() const { return {records.data(), layout, num_steps()}; }
};

/// The first `max_steps` steps of `count` fresh episodes under the deterministic policy, which no
/// training step and no evaluation has. Where the simulator becomes unstable an episode ends before.
///
/// Cost     an evaluation of as many episodes. The learner stays as it is. Deterministic.
Episodes record_episodes(Stream& stream, Learner& learner, int count,
                         int max_steps = std::numeric_limits<int>::max());

/// Writes a bank of trajectories in one step: safetensors with `real` [steps, pitch], as the replay
/// of a checkpoint has it, `lengths` and `returns`.
///
/// Errors   those of write_safetensors.
void write_bank(const std::filesystem::path& path, const Episodes& episodes);

/// Reads one, or a checkpoint's replay.safetensors, for a model of this environment.
///
/// Errors   those of SafetensorsFile; DataError if it holds no transitions, or those of another
///          environment or shape.
Episodes read_bank(const std::filesystem::path& path, const std::string& env,
                   const TransitionLayout& layout);

}  // namespace mbrl
