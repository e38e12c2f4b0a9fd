// The tick: what happens after each environment step, in order.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>

#include "host/algo/learner.h"
#include "host/config/config.h"

namespace mbrl {

/// What the loop asks of its surroundings.
struct LoopHooks {
  std::function<bool()> stop_requested;
  std::function<bool()> before_step = [] { return true; };        // false: as a stop
  std::function<void()> log = [] {};                              // losses and rates are due
  std::function<void()> evaluate;                                 // an evaluation is due
  std::function<bool()> wants_checkpoint = [] { return false; };  // after a step: one more
  std::function<void()> checkpoint;                               // a checkpoint is due
  std::function<void()> tick;                                     // after every step: progress
};

/// Steps the learner until num_env_steps, a pause at env step `until`, or a stop; logs every
/// log.interval steps and evaluates every eval.interval steps after exploration, and both once at the
/// end; a learner with trials is evaluated when one has ended. Writes a checkpoint every
/// checkpoint.interval steps, when one is wanted, at a pause, when stopped and at the end.
///
/// Returns  false when stopped.
bool run_loop(Learner& learner, const Config& config, const LoopHooks& hooks,
              std::int64_t until = std::numeric_limits<std::int64_t>::max());

}  // namespace mbrl
