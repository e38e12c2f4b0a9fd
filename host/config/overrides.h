// key=value on the command line.
#pragma once

#include <string_view>

#include "host/config/fields.h"

namespace mbrl {

/// Sets one key: "model.learning_rate=1e-4", "rollout.schedule=[20,150,1,15]", "env.name=hopper".
/// Values are JSON; text needs no quotes. Returns the key.
///
/// Errors   ConfigError naming the key, the value and what is expected.
const Field& apply_override(Config& config, std::string_view assignment);

}  // namespace mbrl
