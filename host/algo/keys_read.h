// Which keys a run reads: those of its algorithm, as far as its environment and its controller
// have a use for them.
//
// A key without effect would look as if it did something, and would give the same experiment
// another hash. So one that is not read is refused where a user sets it, and dropped where it came
// along with the config of another algorithm.
#pragma once

#include <functional>
#include <string>

#include "host/config/config.h"
#include "host/config/fields.h"
#include "host/config/load.h"

namespace mbrl {

/// Whether a run of this config reads the key.
bool is_read(const Config& config, const Field& field);

/// The same as a filter of host/config/print.h. Reads `config` when it is called.
std::function<bool(const Field&)> keys_read(const Config& config);

/// The config with all keys that it does not read at their defaults. What earlier versions saved of
/// a run compares with today's config that way.
Config without_unread_keys(const Config& config);

/// Puts the keys that the run does not read at their defaults. Those that came in with another
/// algorithm, environment or controller than the command line chose are named in one call of
/// `warn`. A file that chooses another than the one it extends says so itself: nothing is named.
///
/// Errors   ConfigError for any other that a layer sets, in a file to another value than its
///          default: who sets it, who reads it and the way out.
void drop_unread_keys(LayeredConfig& layered, const std::function<void(const std::string&)>& warn);

}  // namespace mbrl
