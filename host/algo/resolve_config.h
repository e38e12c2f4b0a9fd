// From the command line to a checked config.
//
// find_config (name -> path) --> load_config (values, ranges) --> apply_override --> check_run
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/config/config.h"

namespace mbrl {

/// The whole way from the command line: finds and loads `name`, applies the overrides in order and
/// checks the result.
///
/// Errors   ConfigError as those of the steps.
Config resolve_config(const std::string& name, const std::vector<std::string>& overrides);

/// What must hold between the keys of a config: for every run, then for its algorithm.
///
/// Errors   ConfigError that starts with `origin` and names both keys and the way out.
void check_run(const Config& config, std::string_view origin = "config");

}  // namespace mbrl
