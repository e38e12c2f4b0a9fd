#include "host/algo/resolve_config.h"

#include <filesystem>

#include "host/algo/registry.h"
#include "host/config/load.h"
#include "host/config/overrides.h"

namespace mbrl {

Config resolve_config(const std::string& name, const std::vector<std::string>& overrides) {
  const std::filesystem::path path = find_config(name);
  Config config = load_config(path);
  for (const std::string& assignment : overrides) apply_override(config, assignment);
  check_run(config, path.string() + (overrides.empty() ? "" : " with its overrides"));
  return config;
}

void check_run(const Config& config, std::string_view origin) {
  const Require require = requirement(origin);
  check_config(config, require);
  find_algorithm(config.algorithm).check(config, require);
}

}  // namespace mbrl
