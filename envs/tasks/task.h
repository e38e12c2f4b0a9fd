// The end rule of every task in an observation: what imagined rollouts ask.
#pragma once

#include "base/hd.h"
#include "envs/list.h"
#include "envs/spec.h"
#include "envs/tasks/mjcf.h"

namespace mbrl {

/// Whether an episode of `task` ends in this observation, a contiguous row. bounds: those of the
/// environment's spec, which only kMjcf reads.
MBRL_HD bool task_terminated(TaskId task, const EndBounds& bounds, const float* next_observation) {
  switch (task) {
#define MBRL_TASK_CASE(name, Task) \
  case TaskId::k##Task:            \
    return name##_ends(next_observation);
    MBRL_ENVIRONMENTS(MBRL_TASK_CASE)
#undef MBRL_TASK_CASE
    case TaskId::kMjcf:
      return out_of_bounds(bounds, next_observation);
  }
  return false;
}

/// The same for a task whose end rule needs no bounds.
MBRL_HD bool task_terminated(TaskId task, const float* next_observation) {
  return task_terminated(task, {}, next_observation);
}

}  // namespace mbrl
