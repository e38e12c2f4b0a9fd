// How fast environments of another process step, beside the least that two processes can do.
#pragma once

#include <cstddef>

#include "base/thread_pool.h"
#include "envs/env.h"

namespace mbrl {

/// Medians over alternating slices; the share is one of neighbouring slices.
struct ProcessTimes {
  double step, trip;  // seconds: of a batch of steps, and of its bytes to `cat` and back
  double share;       // trip / step
};

/// `count` environments in one process (process.count=1) under random actions, for about `seconds`.
/// The floor is the larger of a batch's two messages, sent to a process `cat` on this thread's core
/// and read back, 32 KiB at a time.
///
/// Errors   those of the environment; DataError if `cat` cannot be started.
ProcessTimes time_process(const EnvOptions& options, int count, ThreadPool& one, double seconds);

}  // namespace mbrl
