#include "host/config/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/nearest_name.h"
#include "host/config/fields.h"
#include "host/config/name_list.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

// what the hash sees of a key: of files what they say, so that an edited robot or a controller
// trained anew is another run and a moved one is not
Json hashed_value(const Config& config, const Field& field, const std::vector<InputFile>& files) {
  const std::string content = content_hash(files, field.path());
  return content.empty() ? field_value(config, field) : Json(content);
}

// what a key may hold, without its type where the limits say enough
std::string accepted_text(const Field& field) {
  if (!field.choices.empty())
    return fmt::format("{}{}", takes_several(field) ? "one or several of " : "",
                       fmt::join(field.choices, ", "));
  return range_text(field.range);
}

}  // namespace

// name and seed are levels of the run's folder beside the hash; checkpoint.* says only how often
// the state is saved, log.* only how often viewers hear of it, device.graphs and device.plans only
// how kernels are launched, population.concurrent only how many learners share the machine,
// process.count and process.timeout only how an environment's processes are spoken to, tune.* and
// pbt.* are no run's: none changes what a run computes. eval.* stays in, as it decides which rows
// metrics.csv has
bool is_hashed(const Field& field) {
  return field.path() != "name" && field.path() != "seed" && field.section != "checkpoint" &&
         field.section != "log" && !is_of_search(field) && field.path() != "device.graphs" &&
         field.path() != "device.plans" && field.path() != "population.concurrent" &&
         field.path() != "process.count" && field.path() != "process.timeout";
}

Json config_to_json(const Config& config, const KeyFilter& shown) {
  Json json;
  for (const Field& field : fields()) {
    if (!shown(field)) continue;
    Json& place = field.section.empty() ? json : json[field.section];
    place[field.key] = field_value(config, field);
  }
  return json;
}

std::string config_json_text(const Config& config, const KeyFilter& shown) {
  const Json json = config_to_json(config, shown);
  std::vector<std::string> parts;
  for (const auto& [name, value] : json.items()) {
    if (!value.is_object()) {
      parts.push_back(fmt::format("  \"{}\": {}", name, value.dump()));
      continue;
    }
    std::vector<std::string> lines;
    for (const auto& [key, inner] : value.items()) {
      lines.push_back(fmt::format("    \"{}\": {}", key, inner.dump()));
    }
    parts.push_back(fmt::format("  \"{}\": {{\n{}\n  }}", name, fmt::join(lines, ",\n")));
  }
  return fmt::format("{{\n{}\n}}\n", fmt::join(parts, ",\n"));
}

std::string config_table(const Config& config, const KeyFilter& shown) {
  const Config defaults;
  std::size_t key_width = 3, value_width = 5;
  for (const Field& field : fields()) {
    if (!shown(field)) continue;
    key_width = std::max(key_width, field.path().size());
    value_width = std::max(value_width, field_text(config, field).size());
  }
  std::string table =
      fmt::format("  {:<{}}  {:<{}}  {}\n", "key", key_width, "value", value_width, "default");
  for (const Field& field : fields()) {
    if (!shown(field)) continue;
    const std::string value = field_text(config, field), usual = field_text(defaults, field);
    table += fmt::format("{} {:<{}}  {:<{}}  {}\n", value == usual ? ' ' : '*', field.path(),
                         key_width, value, value_width, usual);
  }
  return table;
}

std::string config_changes(const Config& config, const KeyFilter& shown, std::size_t width) {
  const Config defaults;
  std::vector<std::string> variants;
  std::string text =
      fmt::format("{} on {}, seed {}\n", config.algorithm, config.env.name, config.seed);
  std::size_t key_width = 0;
  std::vector<const Field*> changed;
  for (const Field& field : fields()) {
    if (!shown(field)) continue;
    if (field.variant) variants.push_back(field.key + " " + field_text(config, field));
    // the first line has these
    const bool said = field.variant || field.path() == "algorithm" || field.path() == "env.name" ||
                      field.path() == "seed" || field.path() == "name";
    if (said || field_text(config, field) == field_text(defaults, field)) continue;
    changed.push_back(&field);
    key_width = std::max(key_width, field.path().size());
  }
  for (const Field* field : changed) {
    const std::string line =
        fmt::format("  {:<{}}  {}", field->path(), key_width, field_text(config, *field));
    const std::string usual = fmt::format("  (default {})", field_text(defaults, *field));
    text += line + (line.size() + usual.size() <= width ? usual : "") + "\n";
  }
  if (variants.empty()) return text;
  std::string line = "variant ";
  for (std::size_t i = 0; i < variants.size(); ++i) {
    const std::string word = variants[i] + (i + 1 < variants.size() ? "," : "");
    if (line.size() + 1 + word.size() > width) {
      text += line + "\n";
      line = "        ";
    }
    line += " " + word;
  }
  return text + line + "\n";
}

std::string config_hash(const Config& config) { return config_hash(config, input_files(config)); }

std::string config_hash(const Config& config, const std::vector<InputFile>& files) {
  // keys at their defaults leave no trace, so that a key that is new in the program does not move
  // the runs that never set it; nor does a key that got another name
  const Config defaults;
  std::string canonical;
  for (const Field& field : fields()) {
    if (is_hashed(field) && field_value(config, field) != field_value(defaults, field))
      canonical += (field.former_path.empty() ? field.path() : field.former_path) + "=" +
                   hashed_value(config, field, files).dump() + "\n";
  }
  return hash_text(canonical);
}

std::vector<std::string> config_difference(const Config& from, const Config& to) {
  std::vector<std::string> differences;
  for (const Field& field : fields()) {
    const std::string before = field_text(from, field), after = field_text(to, field);
    if (before != after) {
      differences.push_back(fmt::format("{} differs ({} -> {})", field.path(), before, after));
    }
  }
  return differences;
}

std::string keys_text(const std::string& section) {
  const auto& names = sections();
  if (!section.empty() && std::find(names.begin(), names.end(), section) == names.end()) {
    const std::string near = nearest_name(section, names);
    throw ConfigError(fmt::format("config keys: there is no section {}.{} Sections: {}.", section,
                                  near.empty() ? "" : fmt::format(" Did you mean {}?", near),
                                  fmt::join(names, ", ")));
  }

  std::string text;
  for (const Field& field : fields()) {
    if (!section.empty() && field.section != section) continue;
    std::string line = fmt::format("{} = {}", field.path(), field_text(Config{}, field));
    const std::string unit = field.unit.empty() ? "" : fmt::format("  [{}]", field.unit);
    text += fmt::format("{}{}\n    {} ({})\n", line, unit, field.doc, expectation(field));
  }
  return text;
}

std::string keys_markdown() {
  std::string table =
      "| key | default | accepts | unit | meaning |\n| --- | --- | --- | --- | --- |\n";
  for (const Field& field : fields()) {
    table += fmt::format("| `{}` | `{}` | {} | {} | {} |\n", field.path(),
                         field_text(Config{}, field), accepted_text(field), field.unit, field.doc);
  }
  return table;
}

}  // namespace mbrl
