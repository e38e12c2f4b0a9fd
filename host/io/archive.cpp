#include "host/io/archive.h"

namespace mbrl {

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

}  // namespace mbrl
