// How an environment is drawn: as a MuJoCo model that stands as it does.
#pragma once

#include <mujoco/mujoco.h>

#include <functional>
#include <memory>

#include "envs/env.h"

namespace mbrl {

struct Picture {
  std::shared_ptr<const mjModel> model;
  /// Body that the camera follows; -1: it stands still.
  int tracked = -1;
  /// Moves `data`, of the model, to where the environment is now.
  std::function<void(const Env& env, mjData& data)> pose;
};

/// MuJoCo robots are drawn from their own model, Bullet's from one of the same capsules and hinges,
/// those in closed form from a few shapes.
///
/// Errors   ConfigError if nothing knows how it looks: one that a process serves, or a program has
///          registered.
Picture picture_of(const Env& env);

}  // namespace mbrl
