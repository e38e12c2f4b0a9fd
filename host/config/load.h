// Config files: JSON with // comments that holds only what differs from the defaults.
//
// host/algo/resolve_config.h goes the whole way from a name to a checked config.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "host/config/config.h"

namespace mbrl {

/// The file meant by `name`: a path, or the name of a shipped config ("hopper", "hopper.json"),
/// found from any folder.
///
/// Errors   ConfigError with the nearest name and the list of shipped configs.
std::filesystem::path find_config(const std::string& name);

/// The shipped configs, without ".json", sorted.
std::vector<std::string> shipped_configs();

/// Reads a config file. Each value is checked here; what must hold between keys is checked once the
/// overrides are in.
///
/// Errors   ConfigError naming file, line and column (unreadable JSON) or file and key (all else).
Config load_config(const std::filesystem::path& path);

/// The same from JSON that is already parsed, such as the config inside a checkpoint. `origin`
/// starts the text of every error.
Config config_from_json(const nlohmann::ordered_json& json, std::string_view origin);

}  // namespace mbrl
