// Whether a run's steps leave room for learning, told before the first of them.
#pragma once

#include <functional>
#include <string>

#include "envs/spec.h"
#include "host/config/config.h"

namespace mbrl {

/// Whether anything but the time limit can end an episode of the environment: asked of its end rule
/// with states that no rule bears.
bool may_terminate(const EnvSpec& env);

/// What exploration, the replay's minimum, the time limit of episodes and the budget leave of a run
/// of config.algorithm, for each run that it consists of.
///
/// Errors   ConfigError naming the keys where no update can come about, whatever the policy does;
///          where only episodes that end early could bring one, `warn` hears of it.
void check_can_train(const Config& config, const EnvSpec& env,
                     const std::function<void(const std::string&)>& warn);

}  // namespace mbrl
