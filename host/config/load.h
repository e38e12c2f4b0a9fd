// Config files: JSON with // comments that holds only what differs from the defaults, or from the
// config that it extends.
//
// host/algo/resolve_config.h goes the whole way from a name to a checked config.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
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

/// The file of a shipped config by its name alone; empty if there is none.
std::filesystem::path find_shipped_config(const std::string& name);

/// The shipped configs, without ".json", sorted.
std::vector<std::string> shipped_configs();

/// The origin of keys that are given on the command line.
inline constexpr const char* kCommandLine = "command line";

/// A config with the way it came about: the files of a chain of `extends`, base first, then the
/// command line.
struct LayeredConfig {
  struct Layer {
    std::string origin;  // "configs/hopper.json", "command line"
    Config after;        // the values once it and the layers before it are in
  };
  Config config;
  std::vector<Layer> layers;
  std::map<std::string, std::size_t> set_by;  // path of a key -> the last layer that sets it
};

/// Reads a config file and, before it, the config that it extends: a shipped one by name or a file
/// by its path from the folder of the file. Its values replace those of its base one by one, lists
/// as a whole. Each value is checked here; what must hold between keys is checked once the
/// overrides are in.
///
/// Errors   ConfigError naming file, line and column (unreadable JSON) or file and key (all else);
///          for a base that is missing or goes in a circle the files that led there.
LayeredConfig load_layers(const std::filesystem::path& path);

/// The values alone.
Config load_config(const std::filesystem::path& path);

/// The same from JSON that is already parsed, such as the config inside a checkpoint, which extends
/// nothing. `origin` starts the text of every error.
Config config_from_json(const nlohmann::ordered_json& json, std::string_view origin);

}  // namespace mbrl
