#include "kernels/stages/check/host_twin.h"

namespace mbrl {
namespace {

// widths of the hidden layers of a network
std::vector<int> hidden_sizes(const MlpLayout& layout) {
  std::vector<int> sizes;
  for (int i = 0; i + 1 < layout.num_layers(); ++i)
    sizes.push_back(layout.layers[static_cast<std::size_t>(i)].out);
  return sizes;
}

template <typename State>
void copy_arrays(State& twin, const State& state) {
  std::vector<Buffer<float>*> to;
  for_each_array(twin, [&](const char*, Buffer<float>& array) { to.push_back(&array); });
  std::size_t i = 0;
  for_each_array(state, [&](const char*, const Buffer<float>& array) {
    if (array.size() > 0) copy_memory(to[i]->data(), array.data(), array.size() * sizeof(float));
    ++i;
  });
}

}  // namespace

SacState host_twin(const SacState& state) {
  return {state.observation_size(), state.action_size(), hidden_sizes(state.actor.layout)};
}

PpoState host_twin(const PpoState& state) { return PpoState(state.shape); }

EnsembleState host_twin(const EnsembleState& state) { return {state, Memory::kHost}; }

GaussianActor host_twin(const GaussianActor& actor) {
  return {actor.observation_size(), actor.action_size(), hidden_sizes(actor.layout)};
}

void take_over(SacState& twin, const SacState& state) {
  copy_arrays(twin, state);
  twin.num_updates = state.num_updates;
}

void take_over(PpoState& twin, const PpoState& state) {
  copy_arrays(twin, state);
  twin.num_updates = state.num_updates;
}

void take_over(EnsembleState& twin, const EnsembleState& state) {
  copy_arrays(twin, state);
  twin.num_steps = state.num_steps;
  twin.elites = state.elites;
  twin.end_threshold = state.end_threshold;
}

void take_over(GaussianActor& twin, const GaussianActor& actor) {
  copy_memory(twin.parameters.value.data(), actor.parameters.value.data(),
              actor.parameters.value.size() * sizeof(float));
}

}  // namespace mbrl
