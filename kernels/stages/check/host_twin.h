// Copies on the host of what stages read and change, for their CPU twins.
#pragma once

#include <concepts>
#include <type_traits>
#include <vector>

#include "kernels/data/transition.h"
#include "kernels/networks/actor.h"
#include "kernels/networks/ensemble.h"
#include "kernels/stages/check/twin_check.h"
#include "kernels/stages/ppo/ppo_update.h"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl {

/// T itself, or one that may only be read.
template <typename T, typename Of>
concept MaybeConst = std::same_as<std::remove_const_t<T>, Of>;

/// Each array of a state once, with the name of what it belongs to; of a state that may change,
/// arrays that may.
template <MaybeConst<TrainedParameters> Parameters, typename Visit>
void for_each_array(const char* name, Parameters& p, Visit&& visit) {
  visit(name, p.value);
  visit(name, p.m);
  visit(name, p.v);
}
template <MaybeConst<SacState> State, typename Visit>
void for_each_array(State& state, Visit&& visit) {
  for_each_array("actor", state.actor.parameters, visit);
  for_each_array("critic 0", state.critics.critic[0], visit);
  for_each_array("critic 1", state.critics.critic[1], visit);
  visit("target 0", state.critics.target[0]);
  visit("target 1", state.critics.target[1]);
  for_each_array("log alpha", state.log_alpha, visit);
}
template <MaybeConst<PpoState> State, typename Visit>
void for_each_array(State& state, Visit&& visit) {
  for_each_array("policy", state.policy, visit);
  for_each_array("log std", state.log_std, visit);
  for_each_array("value", state.value, visit);
}
template <MaybeConst<EnsembleState> State, typename Visit>
void for_each_array(State& state, Visit&& visit) {
  for_each_array("members", state.members, visit);
  for_each_array("shared", state.logvar_bounds, visit);
  visit("scaler", state.input_mean);
  visit("scaler", state.input_inv_std);
}

/// A state of the same shape on the host; the arrays are empty of meaning until take_over().
SacState host_twin(const SacState& state);
PpoState host_twin(const PpoState& state);
EnsembleState host_twin(const EnsembleState& state);
GaussianActor host_twin(const GaussianActor& actor);

/// Copies all arrays and counters. Waits for the device.
void take_over(SacState& twin, const SacState& state);
void take_over(PpoState& twin, const PpoState& state);
void take_over(EnsembleState& twin, const EnsembleState& state);
void take_over(GaussianActor& twin, const GaussianActor& actor);

/// Compares two states array by array; value and moments of a group share a row.
template <typename State>
void compare_states(TwinCheck& check, const char* stage, const State& gpu, const State& cpu,
                    double allowed) {
  std::vector<const Buffer<float>*> of_cpu;
  for_each_array(cpu, [&](const char*, const Buffer<float>& array) { of_cpu.push_back(&array); });
  std::size_t i = 0;
  for_each_array(gpu, [&](const char* name, const Buffer<float>& array) {
    check.compare(stage, name, array, *of_cpu[i++], allowed);
  });
}

/// Transitions on the host.
class HostRecords {
 public:
  explicit HostRecords(const TransitionsView& view)
      : records_(
            host_copy(view.records, view.size * static_cast<std::size_t>(view.layout.pitch()))),
        view_{records_.data(), view.layout, view.size} {}
  const TransitionsView& view() const { return view_; }

 private:
  Buffer<float> records_;
  TransitionsView view_;
};

}  // namespace mbrl
