#include "host/io/archive.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/printable.h"

namespace mbrl {

std::vector<TensorPart> layer_parts(const std::string& name, const MlpLayout& layout,
                                    std::size_t offset) {
  std::vector<TensorPart> parts;
  for (std::size_t i = 0; i < layout.layers.size(); ++i) {
    const LayerLayout& layer = layout.layers[i];
    parts.push_back({.name = fmt::format("{}.{}.weight", name, i),
                     .shape = {layer.out, layer.in},
                     .offset = static_cast<std::int64_t>(offset + layer.weight),
                     .row_step = layer.in_pitch});
    parts.push_back({.name = fmt::format("{}.{}.bias", name, i),
                     .shape = {layer.out},
                     .offset = static_cast<std::int64_t>(offset + layer.bias)});
  }
  return parts;
}

std::string widths_text(const MlpLayout& layout) {
  std::vector<int> widths;
  for (const LayerLayout& layer : layout.layers) widths.push_back(layer.in);
  if (!layout.layers.empty()) widths.push_back(layout.output_size());
  return fmt::format("[{}]", fmt::join(widths, ", "));
}

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
  weights(name, parameters, std::vector<TensorPart>{});
}

void Archive::weights(const std::string& name, TrainedParameters& parameters,
                      const std::vector<TensorPart>& parts) {
  const auto one = [&](Buffer<float>& array, const char* suffix) {
    TensorRef tensor = tensor_ref(name + suffix, array);
    tensor.parts = parts;
    for (TensorPart& part : tensor.parts) part.name += suffix;
    weights(tensor);
  };
  one(parameters.value, "");
  one(parameters.m, ".adam_m");
  one(parameters.v, ".adam_v");
}

void Archive::weights(const std::string& name, TrainedParameters& parameters,
                      const MlpLayout& layout) {
  weights(name, parameters, layer_parts(name, layout));
}

void Archive::weights(const std::string& name, Buffer<float>& parameters, const MlpLayout& layout) {
  TensorRef tensor = tensor_ref(name, parameters);
  tensor.parts = layer_parts(name, layout);
  weights(tensor);
}

void Archive::weights(const std::string& name, TrainedParameters& parameters,
                      const MlpLayout& layout, int count) {
  std::vector<TensorPart> parts;
  for (int i = 0; i < count; ++i)
    for (TensorPart& part : layer_parts(fmt::format("{}.{}", name, i), layout,
                                        static_cast<std::size_t>(i) * layout.size))
      parts.push_back(std::move(part));
  weights(name, parameters, parts);
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
