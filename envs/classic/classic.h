// Closed-form environments: tests and smoke runs need no simulator.
#pragma once

#include <memory>

#include "envs/env.h"

namespace mbrl {

std::unique_ptr<Env> make_pendulum(const EnvOptions& options);
std::unique_ptr<Env> make_cartpole(const EnvOptions& options);

}  // namespace mbrl
