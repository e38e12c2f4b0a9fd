#include "host/algo/resolve_config.h"

#include <cstdio>
#include <filesystem>

#include "host/algo/checks.h"
#include "host/algo/keys_read.h"
#include "host/algo/registry.h"
#include "host/config/load.h"
#include "host/config/overrides.h"
#include "host/io/console.h"

namespace mbrl {

namespace {

// No run reads how a search goes. What a file says of it is for `mbrl_gpu tune`; on the command line
// it is refused like any other key that is not read, but for a search.
void set_tune_aside(LayeredConfig& layered, bool also_from_command_line) {
  std::erase_if(layered.set_by, [&](const auto& entry) {
    const bool by_file = layered.layers[entry.second].origin != kCommandLine;
    return is_of_search(*find_field(entry.first)) && (by_file || also_from_command_line);
  });
  layered.config.tune = {};
  layered.config.pbt = {};
}

}  // namespace

Config resolve_config(const std::string& name, const std::vector<std::string>& overrides,
                      UnreadKeys unread,
                      const std::function<void(const std::string&)>& warn) {
  const std::filesystem::path path = find_config(name);
  LayeredConfig layered = load_layers(path);
  for (const std::string& assignment : overrides) {
    const Field& field = apply_override(layered.config, assignment);
    layered.set_by[field.path()] = layered.layers.size();
  }
  layered.layers.push_back({kCommandLine, layered.config});
  const TuneConfig tune = layered.config.tune;
  const PbtConfig pbt = layered.config.pbt;
  set_tune_aside(layered, unread == UnreadKeys::kRefuseButTune);
  if (unread != UnreadKeys::kKeep)
    drop_unread_keys(layered, warn ? warn : [](const std::string& text) {
      print_to(stderr, text + "\n");
    });
  check_run(layered.config, path.string() + (overrides.empty() ? "" : " with its overrides"));
  if (unread != UnreadKeys::kRefuse) {
    layered.config.tune = tune;
    layered.config.pbt = pbt;
  }
  return layered.config;
}

void check_run(const Config& config, std::string_view origin) {
  const Require require = requirement(origin);
  check_config(config, require);
  check_sizes(config, require);
  find_algorithm(config.algorithm).check(config, require);
}

}  // namespace mbrl
