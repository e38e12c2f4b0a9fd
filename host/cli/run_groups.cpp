#include "host/cli/run_groups.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/printable.h"
#include "envs/options.h"
#include "host/algo/keys_read.h"
#include "host/config/algorithms.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/console.h"
#include "host/io/json_file.h"
#include "host/io/run_state.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Values = std::map<std::string, std::string>;

// of a config that this version reads: every key of the hash
Values known_values(const Json& json, const fs::path& file) {
  const Config config = without_unread_keys(config_from_json(json, file.string()));
  Values values;
  for (const Field& field : fields())
    if (is_hashed(field)) values[field.path()] = field_text(config, field);
  return values;
}

// of another version's config: what it says
Values other_values(const Json& json) {
  Values values;
  const auto add = [&](const std::string& path, const Json& value) {
    const Field* field = find_field(path);
    if (field == nullptr || is_hashed(*field))
      values[printable(path)] =
          printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  };
  for (const auto& [name, value] : json.items()) {
    if (!value.is_object()) add(name, value);
    if (value.is_object())
      for (const auto& [key, inner] : value.items()) add(name + "." + key, inner);
  }
  return values;
}

// in place of a path what lies there
void put_files(Values& values, const std::vector<InputFile>& files) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const InputFile& file = files[i];
    const bool first = i == 0 || files[i - 1].key != file.key;
    if (first)
      values[file.key] = fmt::format("{} {}", file.name, file.hash);
    else
      values[fmt::format("{} of {}", file.name, file.key)] = file.hash;
  }
}

Values values_of(const fs::path& run) {
  const fs::path file = run / "config.json";
  std::error_code absent;
  if (!fs::exists(file, absent)) return {};
  Values values;
  try {
    const Json json = read_json<Json>(file);
    try {
      values = known_values(json, file);
    } catch (const ConfigError&) {
      values = other_values(json);
    }
    if (fs::exists(run / "files.json", absent)) {
      const fs::path list = run / "files.json";
      put_files(values,
                using_file(list, [&] { return input_files_from_json(read_json<Json>(list)); }));
    }
  } catch (const DataError& error) {
    if (dynamic_cast<const ReadError*>(&error) != nullptr)
      print_to(stderr, fmt::format("warning: {}\n", printable(error.what())));
    // its own group: nothing says that it belongs to another
    values["config.json"] = printable(error.what());
  }
  return values;
}

// runs/<name>/<hash>/seed-<n>
std::string hash_of(const fs::path& run) {
  const std::string name = run.parent_path().filename().string();
  return is_config_hash(name) ? name : "";
}

// keys in which those groups that have a config differ
std::vector<std::string> differing_keys(const std::vector<RunGroup>& groups) {
  std::set<std::string> keys;
  for (const RunGroup& group : groups)
    for (const auto& [key, value] : group.values) keys.insert(key);
  std::vector<std::string> differing;
  for (const std::string& key : keys) {
    std::set<std::string> found;
    for (const RunGroup& group : groups) {
      if (group.values.empty()) continue;
      const auto value = group.values.find(key);
      found.insert(value == group.values.end() ? "-" : value->second);
    }
    if (found.size() > 1) differing.push_back(key);
  }
  return differing;
}

std::string value_text(const RunGroup& group, const std::string& key) {
  const auto value = group.values.find(key);
  return value == group.values.end() ? "-" : value->second;
}

std::string label_of(const RunGroup& group, const std::vector<RunGroup>& all) {
  if (all.size() == 1) return "";
  if (group.values.empty()) return group.hash.empty() ? "no config.json" : "config " + group.hash;
  std::vector<std::string> parts;
  for (const std::string& key : differing_keys(all)) {
    // a legend has room for a few
    if (parts.size() == 3) {
      parts.push_back("...");
      break;
    }
    parts.push_back(fmt::format("{}={}", key, value_text(group, key)));
  }
  const std::string keys = fmt::format("{}", fmt::join(parts, ", "));
  const bool told_apart = std::none_of(all.begin(), all.end(), [&](const RunGroup& other) {
    return &other != &group && other.values == group.values;
  });
  if (told_apart || group.hash.empty()) return keys;
  // what the keys do not tell: a robot edited under a version that did not keep its files
  return keys + (keys.empty() ? "" : ", ") + "config " + group.hash;
}

}  // namespace

std::vector<RunGroup> find_groups(const fs::path& path, const std::string& table, GroupBy by) {
  const std::vector<fs::path> tables = find_tables(path, table);
  if (const std::string text = unfinished_text(tables); !text.empty())
    print_to(stderr, fmt::format("note: {}\n", text));
  return group_tables(tables, by);
}

std::vector<RunGroup> group_tables(const std::vector<fs::path>& tables, GroupBy by) {
  std::vector<RunGroup> groups;
  for (const fs::path& file : tables) {
    const fs::path run = file.parent_path();
    Values values = values_of(run);
    if (by == GroupBy::kConfigButController)
      std::erase_if(values, [](const auto& v) { return v.first.starts_with("controller."); });
    const std::string hash = hash_of(run);
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const RunGroup& group) {
      return group.values == values && (group.hash == hash || group.hash.empty() || hash.empty());
    });
    if (same == groups.end()) {
      groups.push_back({.label = "", .tables = {file}, .values = std::move(values), .hash = hash});
    } else {
      same->tables.push_back(file);
      if (same->hash.empty()) same->hash = hash;
    }
  }
  std::vector<std::string> labels;
  for (const RunGroup& group : groups) labels.push_back(label_of(group, groups));
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i].label = labels[i];
  return groups;
}

std::string environment_of(const RunGroup& group) {
  const auto value_of = [&](const char* key) -> std::string {
    const auto known = group.values.find(key);
    if (known == group.values.end()) return "";
    // another version's config has it in quotes
    std::string value = known->second;
    std::erase(value, '"');
    return value;
  };
  if (const std::string name = value_of("env.name"); !name.empty()) {
    // names that stand for many environments
    const std::string own = value_of(name == "process" ? "env.command"
                                     : name == "mjcf"  ? "mjcf.model"
                                                       : "");
    return own.empty() ? name : own;
  }
  if (!group.values.empty()) return "";
  const std::vector<std::string> names = env_names();
  const auto named = [&](const std::string& text) -> std::string {
    for (const std::string& name : names) {
      if (text == name) return name;
      for (const std::string& algorithm : algorithm_names())
        if (text == algorithm + "_" + name) return name;
    }
    return "";
  };
  std::error_code unknown;
  const fs::path path = fs::absolute(group.tables.front(), unknown).lexically_normal();
  if (const std::string name = named(path.stem().string()); !name.empty()) return name;
  for (fs::path folder = path.parent_path(); folder.has_relative_path();
       folder = folder.parent_path())
    if (const std::string name = named(folder.filename().string()); !name.empty()) return name;
  return "";
}

std::string difference_text(const std::vector<RunGroup>& groups) {
  constexpr std::size_t kMost = 8;
  std::vector<std::string> parts;
  for (const std::string& key : differing_keys(groups)) {
    if (parts.size() == kMost) {
      parts.push_back("...");
      break;
    }
    std::vector<std::string> values;
    for (const RunGroup& group : groups) {
      if (group.values.empty()) continue;
      const std::string text = value_text(group, key);
      if (std::find(values.begin(), values.end(), text) == values.end()) values.push_back(text);
    }
    parts.push_back(fmt::format("{} ({})", key, fmt::join(values, ", ")));
  }
  if (!parts.empty()) return fmt::format("{}", fmt::join(parts, ", "));
  std::vector<std::string> hashes;
  for (const RunGroup& group : groups)
    hashes.push_back(group.hash.empty() ? "no config.json" : group.hash);
  return fmt::format("nothing that config.json tells, but their hashes ({})",
                     fmt::join(hashes, ", "));
}

std::vector<Curve> read_group(const RunGroup& group, const std::string& column,
                              std::vector<fs::path>* tables) {
  std::vector<Curve> curves;
  std::exception_ptr first;
  for (const fs::path& table : group.tables) {
    try {
      for (Curve& curve : read_curves(table, column)) {
        curves.push_back(std::move(curve));
        if (tables != nullptr) tables->push_back(table);
      }
    } catch (const NoRows&) {
      if (first == nullptr) first = std::current_exception();
    } catch (const ReadError&) {
      if (first == nullptr) first = std::current_exception();
    }
  }
  if (curves.empty()) std::rethrow_exception(first);
  return curves;
}

}  // namespace mbrl
