#include "host/model/saved_ensemble.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mbrl {
namespace {

void copy_parameters(Stream& stream, TrainedParameters& to, const TrainedParameters& from) {
  copy(stream, to.value.data(), from.value.data(), from.value.size());
  copy(stream, to.m.data(), from.m.data(), from.m.size());
  copy(stream, to.v.data(), from.v.data(), from.v.size());
}

const char* text_of(bool value) { return value ? "true" : "false"; }

// for those who evaluate the ensemble by themselves: docs/checkpoints.md
void describe(Archive& archive, const EnsembleState& state) {
  const ModelMaps& maps = state.maps;
  archive.describe("model.members", std::to_string(state.ensemble_size));
  archive.describe("model.elites", nlohmann::json(state.elites).dump());
  archive.describe("model.sizes", widths_text(state.layout));
  archive.describe("model.activation", "swish");
  archive.describe("model.loss", loss_shape(state.loss).name);
  archive.describe("model.scaler", "(x - model.input_mean) * model.input_inv_std");
  archive.describe("model.reads",
                   maps.backward() ? "next_observation, action" : "observation, action");
  archive.describe("model.predicts", maps.output == OutputMap::kDelta ? "change" : "state");
  archive.describe("model.predicts_reward", text_of(maps.reward));
  archive.describe("model.predicts_end", text_of(maps.end != EndTarget::kNone));
  if (maps.end == EndTarget::kLogit)
    archive.describe("model.end_threshold", nlohmann::json(state.end_threshold).dump());
  nlohmann::json inputs = nlohmann::json::array(), themselves = nlohmann::json::array();
  for (int i = 0; i < maps.observation.num_inputs; ++i) {
    const ObservationMap::Input& input = maps.observation.input[i];
    const char* read = input.read == ObservationMap::Read::kSine     ? "sin"
                       : input.read == ObservationMap::Read::kCosine ? "cos"
                                                                     : "value";
    inputs.push_back({input.entry, read});
  }
  for (int i = 0; i < state.data.observation_size; ++i)
    if (maps.observation.predicts_itself(i)) themselves.push_back(i);
  if (!inputs.empty()) archive.describe("model.reads_entries", inputs.dump());
  if (!themselves.empty()) archive.describe("model.predicts_entries_themselves", themselves.dump());
}

}  // namespace

void copy_ensemble(Stream& stream, EnsembleState& to, const EnsembleState& from) {
  copy_parameters(stream, to.members, from.members);
  copy_parameters(stream, to.logvar_bounds, from.logvar_bounds);
  copy(stream, to.input_mean.data(), from.input_mean.data(), from.input_mean.size());
  copy(stream, to.input_inv_std.data(), from.input_inv_std.data(), from.input_inv_std.size());
  to.num_steps = from.num_steps;
  to.elites = from.elites;
  to.end_threshold = from.end_threshold;
}

void visit_ensemble(Archive& archive, EnsembleState& state) {
  archive.weights("model", state.members, state.layout, state.ensemble_size);
  if (state.num_shared() > 0) {
    std::vector<TensorPart> bounds;
    for (const std::string& name : loss_shape(state.loss).shared_names)
      bounds.push_back(
          {.name = "model." + name,
           .shape = {state.num_targets()},
           .offset = static_cast<std::int64_t>(bounds.size()) * padded(state.num_targets())});
    archive.weights("model.logvar_bounds", state.logvar_bounds, bounds);
  }
  archive.weights("model.input_mean", state.input_mean);
  archive.weights("model.input_inv_std", state.input_inv_std);
  if (!archive.loading()) describe(archive, state);
}

}  // namespace mbrl
