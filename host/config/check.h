// What must hold between keys.
#pragma once

#include <string_view>

#include "host/config/config.h"

namespace mbrl {

/// Checks the whole config once all files and overrides are in; single values were checked as they
/// came.
///
/// Errors   ConfigError that starts with `origin` and names both keys and the way out.
void check_config(const Config& config, std::string_view origin = "config");

}  // namespace mbrl
