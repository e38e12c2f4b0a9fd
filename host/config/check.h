// What must hold between keys, whatever the algorithm.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "host/config/config.h"

namespace mbrl {

/// Takes what must hold and the text of the error if it does not.
using Require = std::function<void(bool holds, const std::string& text)>;

/// A Require that throws.
///
/// Errors   of the call: ConfigError that starts with `origin`.
Require requirement(std::string_view origin);

/// Checks the keys outside of the sections once all files and overrides are in; single values were
/// checked as they came. An algorithm's own checks are in host/algo/registry.h.
void check_config(const Config& config, const Require& require);

}  // namespace mbrl
