#include "host/io/archive.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/printable.h"

namespace mbrl {

std::string Archive::shown(const nlohmann::json& json) {
  if (json.is_array()) return fmt::format("a list of {}", json.size());
  if (json.is_object()) return "an object";
  return printable(json.dump().substr(0, 60));
}

void Archive::refuse(const std::string& name, const std::string& what) const {
  throw DataError(fmt::format("{} {}.", name, what));
}

void Archive::indices(const std::string& name, std::vector<int>& values, int max_count, int limit) {
  if (!loading()) return value(name, values);
  nlohmann::json json;
  exchange(name, json);
  const auto is_index = [&](const nlohmann::json& index) {
    return index.is_number_integer() && index >= 0 && index < limit;
  };
  const bool holds = json.is_array() && !json.empty() &&
                     json.size() <= static_cast<std::size_t>(max_count) &&
                     std::all_of(json.begin(), json.end(), is_index);
  require(name, holds, [&] {
    return fmt::format("is {}; expected at most {} numbers from 0 to {}",
                       printable(json.dump().substr(0, 60)), max_count, limit - 1);
  });
  json.get_to(values);
}

void Archive::weights(const std::string& name, TrainedParameters& parameters) {
  weights(name, parameters.value);
  weights(name + ".adam_m", parameters.m);
  weights(name + ".adam_v", parameters.v);
}

void StateWriter::exchange(const std::string& name, nlohmann::json& json) {
  nlohmann::json* section = &state;
  for (const std::string& key : path_) section = &(*section)[key];
  (*section)[name] = std::move(json);
}

bool StateReader::has(const std::string& name) const {
  const nlohmann::json* section = &state_;
  for (const std::string& key : path_) {
    if (!section->contains(key)) return false;
    section = &section->at(key);
  }
  return section->contains(name);
}

void StateReader::exchange(const std::string& name, nlohmann::json& json) {
  const nlohmann::json* section = &state_;
  for (const std::string& key : path_) section = &section->at(key);
  json = section->at(name);
}

void StateReader::refuse(const std::string& name, const std::string& what) const {
  std::vector<std::string> path = path_;
  path.push_back(name);
  throw DataError(fmt::format("{}: {} {}.", origin_, fmt::join(path, "."), what));
}

}  // namespace mbrl
