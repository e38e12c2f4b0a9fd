// Imagined rollouts whose ends another process serves (env.end=served).
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/stream.h"
#include "envs/process/process_env.h"
#include "host/replay/replay.h"
#include "kernels/stages/rollout/rollout.h"

namespace mbrl {

/// Branches are rolled out as if nothing ended them, so that every step has a record of each, in the
/// order of rows. Then they end where the process says so, and the records after that leave the
/// replay as it was. What is drawn for a branch does not depend on the others: the result is that of
/// asking after each step.
class ServedRollouts {
 public:
  explicit ServedRollouts(const EnvOptions& options) : ends_of_(options) {}

  /// Before a rollout that writes up to `count` records: keeps what they will overwrite.
  ///
  /// Errors   ConfigError if the replay has room for fewer.
  void keep(Stream& stream, Replay& replay, std::size_t count);

  /// After it: ends its branches and commits what is left. Errors: DataError if the process fails.
  RolloutResult finish(Stream& stream, Replay& replay, const RolloutResult& rolled, int num_rows);

 private:
  ServedEnds ends_of_;
  std::vector<float> records_, overwritten_, observations_;
  std::vector<std::uint8_t> ends_, ended_;
};

}  // namespace mbrl
