// The end rule of every task on observations: what imagined rollouts ask.
#pragma once

#include "base/hd.h"
#include "envs/spec.h"
#include "envs/tasks/ant.h"
#include "envs/tasks/bullet_locomotion.h"
#include "envs/tasks/cartpole.h"
#include "envs/tasks/hopper.h"
#include "envs/tasks/humanoid.h"
#include "envs/tasks/inverted_double_pendulum.h"
#include "envs/tasks/inverted_pendulum.h"
#include "envs/tasks/mjcf.h"
#include "envs/tasks/walker2d.h"

namespace mbrl {

/// Whether an episode of `task` ends in this observation, a contiguous row. bounds: those of the
/// environment's spec, which kMjcf alone reads.
MBRL_HD bool task_terminated(TaskId task, const EndBounds& bounds, const float* next_observation) {
  const float* o = next_observation;
  switch (task) {
    case TaskId::kAnt:
      return ant_terminated(o[0], o, 27);
    case TaskId::kCartpole:
      return cartpole_terminated(o);
    case TaskId::kHopper:
      return hopper_terminated(o[0], o[1], o + 1, 10);
    case TaskId::kHopperBullet:
      return hopper_bullet_terminated(o[0] + kBulletWalkerHeight, o[7], o);
    case TaskId::kHumanoid:
      return humanoid_terminated(o[0]);
    case TaskId::kInvertedDoublePendulum:
      return inverted_double_pendulum_terminated(double_pendulum_height(o[1], o[2], o[3], o[4]));
    case TaskId::kInvertedPendulum:
      return inverted_pendulum_terminated(o);
    case TaskId::kMjcf:
      return out_of_bounds(bounds, o);
    case TaskId::kWalker2d:
      return walker2d_terminated(o[0], o[1]);
    case TaskId::kWalker2dBullet:
      return walker2d_bullet_terminated(o[0] + kBulletWalkerHeight, o[7], o);
    case TaskId::kHalfCheetah:
    case TaskId::kHalfCheetahBullet:
    case TaskId::kPendulum:
    case TaskId::kSwimmer:
      return false;
  }
  return false;
}

/// The same for a task whose end rule needs no bounds.
MBRL_HD bool task_terminated(TaskId task, const float* next_observation) {
  return task_terminated(task, {}, next_observation);
}

}  // namespace mbrl
