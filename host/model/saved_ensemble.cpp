#include "host/model/saved_ensemble.h"

namespace mbrl {
namespace {

void copy_parameters(Stream& stream, TrainedParameters& to, const TrainedParameters& from) {
  copy(stream, to.value.data(), from.value.data(), from.value.size());
  copy(stream, to.m.data(), from.m.data(), from.m.size());
  copy(stream, to.v.data(), from.v.data(), from.v.size());
}

}  // namespace

SavedEnsemble::SavedEnsemble(Stream& stream, const EnsembleState& state)
    : members_(state.members.value.size(), stream.memory()),
      bounds_(state.logvar_bounds.value.size(), stream.memory()),
      mean_(state.input_mean.size(), stream.memory()),
      inv_std_(state.input_inv_std.size(), stream.memory()) {}

void SavedEnsemble::save(Stream& stream, const EnsembleState& state) {
  copy_parameters(stream, members_, state.members);
  copy_parameters(stream, bounds_, state.logvar_bounds);
  copy(stream, mean_.data(), state.input_mean.data(), state.input_mean.size());
  copy(stream, inv_std_.data(), state.input_inv_std.data(), state.input_inv_std.size());
  steps_ = state.num_steps;
}

void SavedEnsemble::put_back(Stream& stream, EnsembleState& state) const {
  copy_parameters(stream, state.members, members_);
  copy_parameters(stream, state.logvar_bounds, bounds_);
  copy(stream, state.input_mean.data(), mean_.data(), mean_.size());
  copy(stream, state.input_inv_std.data(), inv_std_.data(), inv_std_.size());
  state.num_steps = steps_;
}

void visit_ensemble(Archive& archive, EnsembleState& state) {
  archive.weights("model", state.members);
  if (state.num_shared() > 0) archive.weights("model.logvar_bounds", state.logvar_bounds);
  archive.weights("model.input_mean", state.input_mean);
  archive.weights("model.input_inv_std", state.input_inv_std);
}

}  // namespace mbrl
