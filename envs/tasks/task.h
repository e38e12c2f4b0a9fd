// The end rule of every task on observations: what imagined rollouts ask.
#pragma once

#include "cuda/hd.h"
#include "envs/spec.h"
#include "envs/tasks/bullet_locomotion.h"
#include "envs/tasks/cartpole.h"
#include "envs/tasks/hopper.h"
#include "envs/tasks/inverted_pendulum.h"

namespace mbrl {

/// Whether an episode of `task` ends in this observation, a contiguous row.
MBRL_HD bool task_terminated(TaskId task, const float* next_observation) {
  switch (task) {
    case TaskId::kHopper:
      return hopper_terminated(next_observation[0], next_observation[1], next_observation + 1, 10);
    case TaskId::kInvertedPendulum:
      return inverted_pendulum_terminated(next_observation);
    case TaskId::kCartpole:
      return cartpole_terminated(next_observation);
    case TaskId::kHopperBullet:
      return hopper_bullet_terminated(next_observation[0] + kBulletWalkerHeight,
                                      next_observation[7], next_observation);
    case TaskId::kWalker2dBullet:
      return walker2d_bullet_terminated(next_observation[0] + kBulletWalkerHeight,
                                        next_observation[7], next_observation);
    case TaskId::kHalfcheetahBullet:
    case TaskId::kPendulum:
      return false;
  }
  return false;
}

}  // namespace mbrl
