#include "host/config/load.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>

#include "base/data_folders.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "base/printable.h"
#include "host/config/fields.h"
#include "host/config/version.h"
#include "host/io/folders.h"
#include "host/io/output_file.h"
#include "host/io/unique_json.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// a folder that cannot be read holds no config that could be meant
void ignore(const std::string&) {}

// where shipped configs may lie: where they are installed, then in the source tree
std::vector<fs::path> config_folders() {
  std::vector<fs::path> folders;
  for (const fs::path& folder : data_folders()) folders.push_back(folder / "configs");
  if (const fs::path source = source_configs(); !source.empty()) folders.push_back(source);
  return folders;
}

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;

std::string config_text(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error))
    throw ConfigError(fmt::format("{} is a folder; expected a config file.", path.string()));
  try {
    return read_file(path, kMaxConfigBytes);
  } catch (const DataError& unread) {
    throw ConfigError(unread.what());
  }
}

// a JSON value's kind in words
std::string kind_of(const Json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  if (value.is_string()) return "a string";
  return value.is_number() ? "a number" : value.dump();
}

// a token as the parser calls it, in words
std::string token_text(const std::string& token) {
  if (token == "end of input") return "the end of the file";
  if (token == "string literal") return "a string in quotes";
  if (token == "number literal") return "a number";
  return token;
}

// the part of `text` between two marks, "" if the first is not there
std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const auto start = text.find(from);
  if (start == std::string::npos) return "";
  const auto begin = start + from.size();
  return text.substr(begin, to.empty() ? std::string::npos : text.find(to, begin) - begin);
}

// "file, line 3, column 7: found X; expected Y." out of the parser's own words, which are
// "... parse error at line 3, column 7: syntax error while parsing C - unexpected X; expected Y" or
// "... - <what is wrong>; last read: 'text'" for text that is not a JSON token at all
std::string parse_error_text(const std::string& words, const fs::path& path) {
  std::string found = between(words, "unexpected ", ";");
  if (found.empty()) {
    std::string read = between(words, "last read: '", "");
    if (const auto quote = read.rfind('\''); quote != std::string::npos) read.resize(quote);
    found = fmt::format("{} (read so far: {})", between(words, " - ", ";"), read);
  }

  std::string expected = between(words, "; expected ", "");
  if (expected.empty()) expected = "a " + between(words, "while parsing ", " -");
  return fmt::format("{}, line {}, column {}: found {}; expected {}.", path.string(),
                     between(words, "at line ", ","), between(words, "column ", ":"),
                     token_text(found), token_text(expected));
}

Json parse(const std::string& text, const fs::path& path) {
  try {
    return Json::parse(text, unique_names<Json>(path.string()), /*allow_exceptions=*/true,
                       /*ignore_comments=*/true);
  } catch (const DataError& error) {
    throw ConfigError(error.what());
  } catch (const Json::parse_error& error) {
    throw ConfigError(parse_error_text(error.what(), path));
  } catch (const Json::exception& error) {
    throw ConfigError(fmt::format("{}: a number is too large to be represented ({}).",
                                  path.string(), between(error.what(), "] ", "")));
  }
}

const char* const kExtends = "extends";

/// Sets the keys of one file and returns their paths.
std::set<std::string> set_keys(Config& config, const Json& json, std::string_view origin) {
  std::set<std::string> paths;
  const auto set_key = [&](const std::string& path, const Json& value) {
    const Field* field = find_field(path);
    if (field == nullptr) throw_unknown_key(path, origin);
    // "loop": {"epoch_length": 1} beside "loop.epoch_length": 2, or beside a former path
    if (!paths.insert(field->path()).second)
      throw ConfigError(
          fmt::format("{}: {} appears twice; keep one of them.", origin, field->path()));
    set_field(config, *field, value, origin);
  };
  for (const auto& [name, value] : json.items()) {
    if (name == "$schema") continue;  // for editors
    const bool is_section =
        std::find(sections().begin(), sections().end(), name) != sections().end();
    if (!is_section) {
      set_key(name, value);
      continue;
    }
    if (!value.is_object()) {
      throw ConfigError(
          fmt::format("{}: {} is a section, found {}; expected an object with the keys of "
                      "`mbrl_gpu config keys {}`.",
                      origin, name, kind_of(value), name));
    }
    for (const auto& [key, inner] : value.items()) set_key(name + "." + key, inner);
  }
  return paths;
}

void require_object(const Json& json, std::string_view origin) {
  if (!json.is_object())
    throw ConfigError(fmt::format("{}: found {}; expected an object such as {{\"seed\": 1}}.",
                                  origin, kind_of(json)));
}

// the name as it may stand in an error, cut where nobody reads on
std::string shown(const std::string& name) {
  constexpr std::size_t kMost = 80;
  return printable(name.size() > kMost ? name.substr(0, kMost) + "..." : name);
}

// whether there is a file; ConfigError where the file system does not tell
bool is_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::status_known(status))
    throw ConfigError(
        fmt::format("config {} cannot be read: {}.", shown(path.string()), error.message()));
  return fs::exists(status) && !fs::is_directory(status);
}

/// A shipped config by its name, with or without ".json"; empty if there is none.
fs::path find_shipped(const std::string& name) {
  const std::string file = name.ends_with(".json") ? name : name + ".json";
  for (const fs::path& folder : config_folders())
    if (is_file(folder / file)) return folder / file;
  return {};
}

std::string list_text(const std::vector<std::string>& shipped) {
  return shipped.empty() ? "No shipped configs are installed."
                         : fmt::format("Shipped configs: {}.", fmt::join(shipped, ", "));
}

/// The file that `path` means by "extends": `value`.
fs::path find_base(const Json& value, const fs::path& path) {
  if (!value.is_string() || value.get<std::string>().empty())
    throw ConfigError(fmt::format(
        "{}: extends is {}; expected the name of a shipped config, such as \"hopper\", or the "
        "path of a file from the folder of this one.",
        path.string(), value.dump(-1, ' ', false, Json::error_handler_t::replace)));
  const auto name = value.get<std::string>();
  const fs::path beside = (path.parent_path() / name).lexically_normal();
  if (is_file(beside)) return beside;
  const bool bare = name.find('/') == std::string::npos;
  if (bare)
    if (const fs::path shipped = find_shipped(name); !shipped.empty()) return shipped;

  const std::vector<std::string> shipped = shipped_configs();
  std::vector<std::string> known = shipped;
  const fs::path folder = beside.has_parent_path() ? beside.parent_path() : fs::path(".");
  for (const fs::path& entry : entries_of(folder, ignore))
    if (entry.extension() == ".json") known.push_back(entry.filename().string());
  const std::string near = nearest_name(fs::path(name).filename().string(), known);
  throw ConfigError(fmt::format(
      "{}: extends {}, which was not found: there is no file {}{}.{} {}", path.string(),
      shown(name), shown(beside.string()), bare ? " and no shipped config of that name" : "",
      near.empty() ? "" : fmt::format(" Did you mean {}?", near), list_text(shipped)));
}

/// Files that a config file names by a relative path start at the current folder. Where there is no such
/// file they start at the config's own folder, so that the two may lie side by side anywhere.
void find_files_beside(Config& config, const std::set<std::string>& keys, const fs::path& path) {
  const std::pair<const char*, std::string*> files[] = {
      {"mjcf.model", &config.env.mjcf.model},
      {"controller.file", &config.controller.file},
      {"schedule", &config.schedule}};
  for (const auto& [key, file] : files) {
    std::error_code absent;
    if (!keys.contains(key) || file->empty() || fs::exists(*file, absent)) continue;
    const fs::path beside = path.parent_path() / *file;
    if (fs::is_regular_file(beside, absent))
      *file = fs::absolute(beside).lexically_normal().string();
  }
}

/// Adds the layers of a file, its base's first. `chain` holds the files that led to it.
void add_file(LayeredConfig& result, const fs::path& path, std::vector<fs::path> chain) {
  const auto same = [&](const fs::path& other) {
    std::error_code error;
    return fs::equivalent(path, other, error);
  };
  const bool circle = std::any_of(chain.begin(), chain.end(), same);
  chain.push_back(path);
  if (circle) {
    std::vector<std::string> names;
    for (const fs::path& file : chain) names.push_back(file.string());
    throw ConfigError(fmt::format("{}: extends goes in a circle: {}. Take one of these out.",
                                  names[0], fmt::join(names, " extends ")));
  }

  const std::string origin = path.string();
  Json json = parse(config_text(path), path);
  require_object(json, origin);
  if (const auto base = json.find(kExtends); base != json.end()) {
    add_file(result, find_base(*base, path), chain);
    json.erase(kExtends);
  }
  const std::set<std::string> keys = set_keys(result.config, json, origin);
  find_files_beside(result.config, keys, path);
  for (const std::string& key : keys) result.set_by[key] = result.layers.size();
  result.layers.push_back({origin, result.config});
}

}  // namespace

fs::path find_shipped_config(const std::string& name) {
  return name.empty() || name.find('/') != std::string::npos ? fs::path() : find_shipped(name);
}

std::vector<std::string> shipped_configs() {
  std::set<std::string> names;
  for (const fs::path& folder : config_folders())
    for (const fs::path& entry : entries_of(folder, ignore))
      if (entry.extension() == ".json") names.insert(entry.stem().string());
  return {names.begin(), names.end()};
}

fs::path find_config(const std::string& name) {
  if (is_file(name)) return name;

  // the name of a shipped config, even where a folder has the same name; those of searches lie in
  // folders: tuned/pets_hopper_random_cem, but ./smoke is a path
  const bool bare = name.find('/') == std::string::npos;
  const bool may_be_shipped = fs::path(name).is_relative() && !name.starts_with('.');
  if (may_be_shipped)
    if (const fs::path shipped = find_shipped(name); !shipped.empty()) return shipped;
  std::error_code unknown;
  if (fs::exists(name, unknown)) return name;  // a folder, which config_text refuses by name

  const std::vector<std::string> shipped = shipped_configs();
  std::vector<std::string> known = shipped;
  std::string asked = fs::path(name).stem().string();
  if (const fs::path parent = fs::path(name).parent_path(); !bare && may_be_shipped) {
    for (const fs::path& folder : config_folders())
      for (const fs::path& entry : entries_of(folder / parent, ignore))
        if (entry.extension() == ".json") known.push_back((parent / entry.stem()).string());
    if (known.size() > shipped.size()) asked = (parent / asked).string();
  }
  const std::string near = nearest_name(asked, known);
  throw ConfigError(fmt::format("config {} was not found: there is no such file{}.{} {}",
                                shown(name), bare ? " and no shipped config of that name" : "",
                                near.empty() ? "" : fmt::format(" Did you mean {}?", near),
                                list_text(shipped)));
}

Config config_from_json(const Json& json, std::string_view origin) {
  require_object(json, origin);
  Config config;
  set_keys(config, json, origin);
  return config;
}

LayeredConfig load_layers(const fs::path& path) {
  LayeredConfig result;
  add_file(result, path, {});
  return result;
}

Config load_config(const fs::path& path) { return load_layers(path).config; }

}  // namespace mbrl
