// All environments, one line each, sorted by name: X(name, Task).
//
// A line X(hopper, Hopper) stands for
//
//   TaskId::kHopper           envs/spec.h makes it
//   hopper_ends(observation)  the end rule in imagined rollouts: envs/tasks/task.h asks it, the
//                             task's header defines it
//   make_hopper(options)      envs/registry.cpp calls it, the robot's file defines it
//
// So a new environment is a robot's file, a task's header, and here its #include and its line. A
// user's own robot (mjcf) is not in the list, because it does not exist before a config names its
// model.
//
// The kernels read this list: no simulator is included here.
#pragma once

#include "envs/tasks/ant.h"
#include "envs/tasks/bullet_locomotion.h"
#include "envs/tasks/cartpole.h"
#include "envs/tasks/cartpole_swingup.h"
#include "envs/tasks/daisy.h"
#include "envs/tasks/halfcheetah.h"
#include "envs/tasks/halfcheetah18.h"
#include "envs/tasks/hopper.h"
#include "envs/tasks/hopper12.h"
#include "envs/tasks/humanoid.h"
#include "envs/tasks/inverted_double_pendulum.h"
#include "envs/tasks/inverted_pendulum.h"
#include "envs/tasks/pendulum.h"
#include "envs/tasks/pusher.h"
#include "envs/tasks/reacher.h"
#include "envs/tasks/reacher3d.h"
#include "envs/tasks/swimmer.h"
#include "envs/tasks/walker2d.h"

#define MBRL_ENVIRONMENTS(X)                          \
  X(ant, Ant)                                         \
  X(cartpole, Cartpole)                               \
  X(cartpole_swingup, CartpoleSwingup)                \
  X(daisy, Daisy)                                     \
  X(halfcheetah, HalfCheetah)                         \
  X(halfcheetah18, HalfCheetah18)                     \
  X(halfcheetah_bullet, HalfCheetahBullet)            \
  X(hopper, Hopper)                                   \
  X(hopper12, Hopper12)                               \
  X(hopper_bullet, HopperBullet)                      \
  X(humanoid, Humanoid)                               \
  X(inverted_double_pendulum, InvertedDoublePendulum) \
  X(inverted_pendulum, InvertedPendulum)              \
  X(pendulum, Pendulum)                               \
  X(pusher, Pusher)                                   \
  X(reacher, Reacher)                                 \
  X(reacher3d, Reacher3d)                             \
  X(swimmer, Swimmer)                                 \
  X(walker2d, Walker2d)                               \
  X(walker2d_bullet, Walker2dBullet)
