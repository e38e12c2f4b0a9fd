#include "host/config/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace mbrl {
namespace {

// letters, digits, '.', '_' and '-', not starting with '.' or '-': safe as a folder's name
bool is_folder_name(const std::string& name) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 100 && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

Require requirement(std::string_view origin) {
  return [origin = std::string(origin)](bool holds, const std::string& text) {
    if (!holds) throw ConfigError(fmt::format("{}: {}", origin, text));
  };
}

void check_config(const Config& config, const Require& require) {
  require(
      is_folder_name(config.name),
      fmt::format("name is \"{}\"; expected a folder's name of letters, digits, '.', '_' and '-'.",
                  config.name));
}

}  // namespace mbrl
