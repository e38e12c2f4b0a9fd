// From the command line to a checked config.
//
// find_config (name -> path) --> load_layers (values, ranges, extends) --> apply_override
//   --> drop_unread_keys --> check_run
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "host/config/config.h"

namespace mbrl {

/// What happens to keys that the algorithm does not read.
enum class UnreadKeys {
  kRefuse,  // errors, but for those that a change of algorithm leaves behind (keys_read.h)
  kKeep,    // for bench and the like, which do not run the algorithm
  kRefuseButTune  // for a search: its section tune stays
};

/// The whole way from the command line: finds and loads `name`, applies the overrides in order and
/// checks the result. Tells `warn`, or standard error, which keys it dropped.
///
/// Errors   ConfigError as those of the steps.
Config resolve_config(const std::string& name, const std::vector<std::string>& overrides,
                      UnreadKeys unread = UnreadKeys::kRefuse,
                      const std::function<void(const std::string&)>& warn = {});

/// What must hold between the keys of a config: for every run, then for its algorithm.
///
/// Errors   ConfigError that starts with `origin` and names both keys and the way out.
void check_run(const Config& config, std::string_view origin = "config");

}  // namespace mbrl
