// What a planner needs of a task: the cost of a step in what a model predicts, how the model reads
// observations, and the unit of the actions. Only tasks of this list can be planned for.
//
// A line X(pendulum, Pendulum) stands for these, which the task's header defines:
//
//   pendulum_cost(now, next, action)   of a step; now: the observation that the plan starts from,
//                                      next: the predicted one, action: normalized [A]
//   pendulum_map()                     how the model reads and predicts
//   kPendulumActionScale               one unit of a normalized action, in the unit of the control
#pragma once

#include "base/hd.h"
#include "envs/list.h"
#include "envs/spec.h"
#include "envs/tasks/observation_map.h"

#define MBRL_PLANNED_TASKS(X)          \
  X(cartpole_swingup, CartpoleSwingup) \
  X(daisy, Daisy)                      \
  X(halfcheetah18, HalfCheetah18)      \
  X(hopper12, Hopper12)                \
  X(pendulum, Pendulum)                \
  X(pusher, Pusher)                    \
  X(reacher3d, Reacher3d)

namespace mbrl {

/// Whether plans can be made for a task.
MBRL_HD bool has_planner_cost(TaskId task) {
  switch (task) {
#define MBRL_TASK_CASE(name, Task) case TaskId::k##Task:
    MBRL_PLANNED_TASKS(MBRL_TASK_CASE)
#undef MBRL_TASK_CASE
    return true;
    default:
      return false;
  }
}

/// Cost of one step of a plan. 0 for a task without a cost.
///
/// Shapes   now, next [S]: what the plan starts from and what the model predicts; action [A],
///          normalized to [-1, 1].
MBRL_HD float planner_cost(TaskId task, const float* now, const float* next, const float* action) {
  switch (task) {
#define MBRL_TASK_CASE(name, Task) \
  case TaskId::k##Task:            \
    return name##_cost(now, next, action);
    MBRL_PLANNED_TASKS(MBRL_TASK_CASE)
#undef MBRL_TASK_CASE
    default:
      return 0.0f;
  }
}

/// How a model reads and predicts the observations of a task; as they are for one without a cost.
inline ObservationMap observation_map(TaskId task) {
  switch (task) {
#define MBRL_TASK_CASE(name, Task) \
  case TaskId::k##Task:            \
    return name##_map();
    MBRL_PLANNED_TASKS(MBRL_TASK_CASE)
#undef MBRL_TASK_CASE
    default:
      return {};
  }
}

/// One unit of a normalized action in the unit of the control: planners are told variances in it.
inline float action_scale(TaskId task) {
  switch (task) {
#define MBRL_TASK_CASE(name, Task) \
  case TaskId::k##Task:            \
    return k##Task##ActionScale;
    MBRL_PLANNED_TASKS(MBRL_TASK_CASE)
#undef MBRL_TASK_CASE
    default:
      return 1.0f;
  }
}

}  // namespace mbrl
