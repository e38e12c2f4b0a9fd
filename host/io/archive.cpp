#include "host/io/archive.h"

#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "cuda/memory.h"

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

void copy_state(const std::function<void(Archive&)>& from,
                const std::function<void(Archive&)>& to) {
  StateWriter source;
  from(source);
  std::map<std::string, TensorRef> tensors;
  for (const auto* list : {&source.weight_tensors, &source.replay_tensors})
    for (const TensorRef& tensor : *list) tensors.emplace(tensor.name, tensor);
  StateReader reader(source.state, [&](Archive::File, const TensorRef& into) {
    const auto found = tensors.find(into.name);
    if (found == tensors.end() || found->second.dtype != into.dtype ||
        found->second.shape != into.shape)
      throw ShapeError(fmt::format("copy of a state: array {} does not fit.", into.name));
    if (num_bytes(into) > 0) copy_memory(into.data, found->second.data, num_bytes(into));
  });
  to(reader);
}

}  // namespace mbrl
