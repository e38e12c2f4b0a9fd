// JSON that people write: a name that stands twice in one object is refused, where JSON would let the
// last one pass.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/io/json_file.h"

namespace mbrl {

/// For Json::parse: json_bounds(), and each name once.
///
/// Errors   of the callback: those of json_bounds(); ConfigError that starts with `name`.
template <typename Json>
auto unique_names(const std::string& name) {
  const auto names = std::make_shared<std::vector<std::set<std::string>>>();
  return [name, names, is_bounded = json_bounds<Json>(name)](
             int depth, typename Json::parse_event_t event, Json& parsed) {
    is_bounded(depth, event, parsed);
    if (event == Json::parse_event_t::object_start) names->emplace_back();
    if (event == Json::parse_event_t::object_end) names->pop_back();
    if (event == Json::parse_event_t::key &&
        !names->back().insert(parsed.template get<std::string>()).second)
      throw ConfigError(fmt::format("{}: {} appears twice; keep one of them.", name,
                                    parsed.template get<std::string>()));
    return true;
  };
}

/// The value in a file. Errors: ReadError, DataError; ConfigError naming the file and the name.
template <typename Json>
Json read_unique_json(const std::filesystem::path& file) {
  const std::string text = read_file(file, kMaxJsonBytes);
  try {
    return Json::parse(text, unique_names<Json>(file.string()));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{} is not JSON: {}.", file.string(), json_error_text(error)));
  }
}

}  // namespace mbrl
