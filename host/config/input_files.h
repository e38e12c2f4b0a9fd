// The files that a config's values stand for: what a run computes from beside its keys.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "host/config/config.h"

namespace mbrl {

/// One file of a key: the one it names, or one that is read because of it.
struct InputFile {
  std::string key;   // "mjcf.model"
  std::string name;  // from the folder of the first file of its key: "robot.xml", "meshes/leg.stl"
  std::string hash;  // of what it says, 8 hex digits
  bool operator==(const InputFile&) const = default;
};

/// The files of all keys that name some, those of one key in a row: the file itself first, the
/// others by name. mjcf.model brings what its MJCF includes and the meshes, height fields, textures
/// and skins that those name; controller.file and schedule themselves alone; autombpo.baseline the
/// tables of its runs. A key whose file is not there has none: who opens it says so. env.command has
/// the greeting of its process as one.
///
/// Errors   ConfigError as process_greeting.
/// Cost     reads all of them; starts env.command where it has not greeted yet.
std::vector<InputFile> input_files(const Config& config);

/// Those of one key as one text: what stands for the key's value in the hash of a config.
std::string content_hash(const std::vector<InputFile>& files, const std::string& key);

/// {"mjcf.model": [["robot.xml", "1a2b3c4d"], ...]} and back. Foreign JSON: the library's errors.
nlohmann::ordered_json to_json(const std::vector<InputFile>& files);
std::vector<InputFile> input_files_from_json(const nlohmann::ordered_json& json);

/// One text for each file that differs: "robot.xml of mjcf.model differs (1a2b3c4d -> 5e6f7081)",
/// "legs.xml of mjcf.model is gone", "... is new".
std::vector<std::string> file_differences(const std::vector<InputFile>& from,
                                          const std::vector<InputFile>& to);

/// FNV-1a of a text as 8 hex digits.
std::string hash_text(std::string_view text);

}  // namespace mbrl
