// What can be told of a search space before its first trial.
#pragma once

#include <string>

#include "host/config/config.h"

namespace mbrl {

/// A config with room for every value that a space has for planner.population and its like.
///
/// Errors   those of make_room().
Config with_room(Config config, const SearchSpace& space, const std::string& origin);

/// Looks at the ends of all ranges and at all choices, each beside the values of `base`.
///
/// Errors   ConfigError that starts with `origin` and names the key and the way out: a value that no
///          trial can have, whatever the others are; more than planner.max_population and its like
///          allow; particles that members cannot share evenly, where they must.
void check_ends(const SearchSpace& space, const Config& base, const std::string& origin);

}  // namespace mbrl
