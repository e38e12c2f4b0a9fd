// A resolved config as text: JSON, table, hash, differences.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "host/config/fields.h"
#include "host/config/input_files.h"

namespace mbrl {

/// Says which keys are printed: those that the run reads (keys_read of host/algo/keys_read.h), or
/// all of them.
using KeyFilter = std::function<bool(const Field&)>;
inline bool every_key(const Field&) { return true; }

/// Each key with its value, in the order of config.h; config_from_json reads it back.
nlohmann::ordered_json config_to_json(const Config& config, const KeyFilter& shown = every_key);

/// The same as the text of a config file, one key per line, ending in a newline.
std::string config_json_text(const Config& config, const KeyFilter& shown = every_key);

/// Aligned columns key, value, default; a '*' marks the lines that differ from the default.
std::string config_table(const Config& config, const KeyFilter& shown = every_key);

/// What a run prints at its start, in lines of at most `width` characters where words allow it: the
/// keys that differ from their defaults, and the choices in which implementations differ.
std::string config_changes(const Config& config, const KeyFilter& shown, std::size_t width = 80);

/// 8 hex digits that two runs share exactly if they are the same experiment: of all keys that are
/// not at their defaults, except name, seed, checkpoint.*, log.*, tune.*, pbt.*, device.graphs,
/// device.plans, population.concurrent, process.count and process.timeout. Keys that name files count
/// by what those say, and what they include (input_files.h).
std::string config_hash(const Config& config);
/// The same with files that were read before.
std::string config_hash(const Config& config, const std::vector<InputFile>& files);

/// Whether a key enters the hash.
bool is_hashed(const Field& field);

/// One text per key that differs: "sac.hidden_sizes differs ([256, 256] -> [512])".
std::vector<std::string> config_difference(const Config& from, const Config& to);

/// All keys, or those of one section, for reading in a terminal.
///
/// Errors   ConfigError with the nearest section.
std::string keys_text(const std::string& section = "");

/// All keys as the Markdown table of configs/README.md.
std::string keys_markdown();

}  // namespace mbrl
