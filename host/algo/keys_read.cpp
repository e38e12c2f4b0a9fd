#include "host/algo/keys_read.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "host/algo/registry.h"

namespace mbrl {
namespace {

/// Why a key is not read.
struct Unread {
  std::string reason;   // "is not read by algorithm mbpo; only ppo reads it"
  std::string way_out;  // "set algorithm=ppo"
  std::string chosen;   // the choices that leave it out: "algorithm mbpo"
};

/// "a", "a and b", "a, b and c"
std::string list_text(const std::vector<std::string>& words, const char* last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? fmt::format(" {} ", last) : ", ") + words[i];
  return text;
}

/// Paths in the order of the sections, many of one section as their number.
std::vector<std::string> by_section(const std::vector<std::string>& paths) {
  constexpr std::size_t kMany = 4;
  std::vector<std::string> texts;
  for (auto first = paths.begin(); first != paths.end();) {
    const std::string section = first->substr(0, first->find('.') + 1);
    const auto last = std::find_if(
        first, paths.end(), [&](const std::string& path) { return !path.starts_with(section); });
    if (static_cast<std::size_t>(last - first) < kMany)
      texts.insert(texts.end(), first, last);
    else
      texts.push_back(fmt::format("{}* ({} keys)", section, last - first));
    first = last;
  }
  return texts;
}

std::optional<Unread> why_unread(const Config& config, const Field& field) {
  const std::string path = field.path();
  if (is_of_search(field))
    return Unread{.reason = "is not read by a run; only a search reads it",
                  .way_out = "give it to `mbrl_gpu tune`",
                  .chosen = ""};
  const Algorithm& algorithm = find_algorithm(config.algorithm);
  if (!reads_key(algorithm, path)) {
    std::vector<std::string> readers;
    for (const Algorithm& other : list_algorithms())
      if (reads_key(other, path)) readers.push_back(other.name);
    return Unread{
        .reason = fmt::format("is not read by algorithm {}; only {} {} it", algorithm.name,
                              list_text(readers, "and"), readers.size() == 1 ? "reads" : "read"),
        .way_out = fmt::format("set algorithm={}", list_text(readers, "or")),
        .chosen = "algorithm " + algorithm.name};
  }

  if (path == "schedule") {
    if (algorithm.make == nullptr)
      return Unread{.reason = fmt::format("is not read by algorithm {}, whose controllers change "
                                          "the values",
                                          algorithm.name),
                    .way_out = "set an algorithm that trains one learner, such as algorithm=mbpo",
                    .chosen = "algorithm " + algorithm.name};
    if (!config.controller.file.empty())
      return Unread{.reason = "is not read by a run that a controller steers",
                    .way_out = "leave controller.file out",
                    .chosen = "controller.file"};
  }

  const std::string& env = config.env.name;
  const auto unless_env = [&](const std::vector<std::string>& names) -> std::optional<Unread> {
    if (std::find(names.begin(), names.end(), env) != names.end()) return std::nullopt;
    return Unread{
        .reason = fmt::format("is not read by env.name={}; only {} {} it", env,
                              list_text(names, "and"), names.size() == 1 ? "reads" : "read"),
        .way_out = fmt::format("set env.name={}", list_text(names, "or")),
        .chosen = "env.name=" + env};
  };
  if (field.section == "mjcf") return unless_env({"mjcf"});
  if (field.section == "process" || path == "env.command" || path == "env.end")
    return unless_env({"process"});
  if (path == "env.contact_cost") return unless_env({"ant", "humanoid"});
  if (path == "env.body_position") return unless_env({"pusher"});

  // what a search of another method, or another propagation, would read
  if (field.section == "planner") {
    const auto unless = [&](const std::string& key, const std::string& value,
                            const std::vector<std::string>& values) -> std::optional<Unread> {
      if (std::find(values.begin(), values.end(), value) != values.end()) return std::nullopt;
      const std::string choice = fmt::format("{}={}", key, value);
      return Unread{
          .reason = fmt::format("is not read by {}; only {} {} it", choice,
                                list_text(values, "and"), values.size() == 1 ? "reads" : "read"),
          .way_out = fmt::format("set {}={}", key, list_text(values, "or")),
          .chosen = choice};
    };
    const auto unless_method = [&](const std::vector<std::string>& methods) {
      return unless("planner.method", config.planner.method, methods);
    };
    if (field.key == "iterations") return unless_method({"cem", "mppi", "icem"});
    if (field.key == "elites_ratio" || field.key == "alpha" || field.key == "min_variance")
      return unless_method({"cem", "icem"});
    if (field.key == "temperature" || field.key == "noise") return unless_method({"mppi"});
    if (field.key == "color" || field.key == "keep" || field.key == "shrink")
      return unless_method({"icem"});
    if (field.key == "particles" || field.key == "max_particles")
      return unless("planner.propagation", config.planner.propagation,
                    {"ts_inf", "ts1", "ds", "mm"});
  }

  // what trains controllers has one without a file
  const bool has_controller =
      !config.controller.file.empty() || reads_section(algorithm, "autombpo");
  const bool is_of_controller = (field.section == "controller" && path != "controller.file") ||
                                path == "autombpo.length_decisions";
  if (is_of_controller && !has_controller)
    return Unread{
        .reason = fmt::format("is not read by algorithm {} without a controller", algorithm.name),
        .way_out = "give controller.file",
        .chosen = "algorithm " + algorithm.name};
  return std::nullopt;
}

void reset(Config& config, const Field& field) {
  set_field(config, field, field_value(Config{}, field), "default");
}

bool is_default(const Config& config, const Field& field) {
  return field_value(config, field) == field_value(Config{}, field);
}

}  // namespace

bool is_read(const Config& config, const Field& field) { return !why_unread(config, field); }

std::function<bool(const Field&)> keys_read(const Config& config) {
  return [&config](const Field& field) { return is_read(config, field); };
}

Config without_unread_keys(const Config& config) {
  Config result = config;
  for (const Field& field : fields())
    if (!is_read(config, field)) reset(result, field);
  return result;
}

void drop_unread_keys(LayeredConfig& layered, const std::function<void(const std::string&)>& warn) {
  const Config config = layered.config;
  const Config& files = layered.layers[layered.layers.size() - 2].after;  // the last: command line
  std::vector<std::string> origins, dropped, chosen;
  const auto add = [](std::vector<std::string>& list, const std::string& text) {
    if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
  };
  for (const Field& field : fields()) {
    const auto set = layered.set_by.find(field.path());
    if (set == layered.set_by.end()) continue;
    const auto unread = why_unread(config, field);
    if (!unread) continue;

    const LayeredConfig::Layer& layer = layered.layers[set->second];
    const bool from_command_line = layer.origin == kCommandLine;
    const auto before = why_unread(layer.after, field);
    // the choice that leaves the key out was made after the key was set
    const bool overridden = !before || before->chosen != unread->chosen;
    // what earlier versions asked for where nothing is imagined
    const bool is_true_anyway =
        !from_command_line && field.path() == "loop.real_ratio" && config.loop.real_ratio == 1.0;
    if (!overridden && !is_true_anyway && (from_command_line || !is_default(layer.after, field)))
      throw ConfigError(fmt::format("{}: {} {}. Leave it out, or {}.", layer.origin, field.path(),
                                    unread->reason, unread->way_out));
    // what a file leaves out of the one it extends is its own word, the same in every run
    const bool by_a_file = !before && why_unread(files, field);
    if (overridden && !by_a_file && !is_default(layer.after, field)) {
      add(origins, layer.origin);
      add(dropped, field.path());
      add(chosen, unread->chosen);
    }
    reset(layered.config, field);
  }
  if (!dropped.empty())
    warn(fmt::format("{}: dropped {}, which {} {} not read.", list_text(origins, "and"),
                     list_text(by_section(dropped), "and"), list_text(chosen, "and"),
                     chosen.size() == 1 ? "does" : "do"));
}

}  // namespace mbrl
