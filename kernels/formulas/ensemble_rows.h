// What the model reads of a transition and what it predicts: input, target and error of one row,
// for both devices.
#pragma once

#include "base/hd.h"
#include "envs/tasks/observation_map.h"
#include "kernels/formulas/maps/absolute.h"
#include "kernels/formulas/maps/backward.h"
#include "kernels/formulas/maps/delta.h"
#include "kernels/formulas/maps/forward.h"

namespace mbrl {

/// One line per map: X(Name) for struct NameInput, NameOutput.
#define MBRL_INPUT_MAPS(X) \
  X(Forward)               \
  X(Backward)
#define MBRL_OUTPUT_MAPS(X) \
  X(Delta)                  \
  X(Absolute)

#define MBRL_MAP(Name) k##Name,
enum class InputMap { MBRL_INPUT_MAPS(MBRL_MAP) };
enum class OutputMap { MBRL_OUTPUT_MAPS(MBRL_MAP) };
#undef MBRL_MAP

/// What a model predicts of an episode's end: nothing, 1 or 0 by its own loss, or the logit of
/// kernels/formulas/end_head.h.
enum class EndTarget { kNone, kNumber, kLogit };

/// Inputs and targets of a model. Targets are [reward, state entries, end], of which the first and
/// the last may be missing. Layout: TransitionLayout, which lies above this folder.
struct ModelMaps {
  InputMap input = InputMap::kForward;
  OutputMap output = OutputMap::kDelta;
  bool reward = true;  // whether the model predicts it
  EndTarget end = EndTarget::kNone;
  ObservationMap observation = {};  // of the task: what a model reads and predicts of its entries

  MBRL_HD bool backward() const {
    switch (input) {
#define MBRL_MAP(Name)    \
  case InputMap::k##Name: \
    return Name##Input::kBackward;
      MBRL_INPUT_MAPS(MBRL_MAP)
#undef MBRL_MAP
    }
    return false;
  }
  MBRL_HD int num_inputs(int observation_size, int action_size) const {
    const int entries = observation.size(observation_size);
    switch (input) {
#define MBRL_MAP(Name)    \
  case InputMap::k##Name: \
    return Name##Input::size(entries, action_size);
      MBRL_INPUT_MAPS(MBRL_MAP)
#undef MBRL_MAP
    }
    return 0;
  }
  MBRL_HD int num_targets(int observation_size) const {
    return first_state() + observation_size + (end == EndTarget::kNone ? 0 : 1);
  }
  /// The first of them, which the model's own loss and its holdout error are of: all but a logit.
  MBRL_HD int num_regressed(int observation_size) const {
    return num_targets(observation_size) - (end == EndTarget::kLogit ? 1 : 0);
  }
  /// Position of the state's first entry among the targets.
  MBRL_HD int first_state() const { return reward ? 1 : 0; }

  /// Input `i`, unscaled, of a state and an action.
  MBRL_HD float input_value(const float* from, const float* action, int observation_size,
                            int i) const {
    const int entries = observation.size(observation_size);
    if (observation.num_inputs > 0 && i < entries) return observation.value(from, i);
    switch (input) {
#define MBRL_MAP(Name)    \
  case InputMap::k##Name: \
    return Name##Input::value(from, action, entries, i);
      MBRL_INPUT_MAPS(MBRL_MAP)
#undef MBRL_MAP
    }
    return 0.0f;
  }
  /// How the model predicts an entry of the state.
  MBRL_HD OutputMap output_of(int entry) const {
    return observation.predicts_itself(entry) ? OutputMap::kAbsolute : output;
  }
  /// Entry `entry` of the state that the model predicts, given that of the one it starts from.
  MBRL_HD float state(int entry, float from, float predicted) const {
    switch (output_of(entry)) {
#define MBRL_MAP(Name)     \
  case OutputMap::k##Name: \
    return Name##Output::state(from, predicted);
      MBRL_OUTPUT_MAPS(MBRL_MAP)
#undef MBRL_MAP
    }
    return 0.0f;
  }
  /// The inverse of state().
  MBRL_HD float state_target(int entry, float from, float to) const {
    switch (output_of(entry)) {
#define MBRL_MAP(Name)     \
  case OutputMap::k##Name: \
    return Name##Output::target(from, to);
      MBRL_OUTPUT_MAPS(MBRL_MAP)
#undef MBRL_MAP
    }
    return 0.0f;
  }

  /// The state of a record that the model starts from, and the one it predicts.
  template <typename Layout>
  MBRL_HD const float* from(const float* record, const Layout& layout) const {
    return backward() ? record + layout.next_observation() : record;
  }
  template <typename Layout>
  MBRL_HD const float* to(const float* record, const Layout& layout) const {
    return backward() ? record : record + layout.next_observation();
  }
  /// Input `i` of a record, unscaled.
  template <typename Layout>
  MBRL_HD float input_of(const float* record, const Layout& layout, int i) const {
    return input_value(from(record, layout), record + layout.action(), layout.observation_size, i);
  }
  /// Target `i` of a record.
  template <typename Layout>
  MBRL_HD float target(const float* record, const Layout& layout, int i) const {
    const int entry = i - first_state();
    if (entry < 0) return record[layout.reward()];
    if (entry == layout.observation_size) return record[layout.terminated()];
    return state_target(entry, from(record, layout)[entry], to(record, layout)[entry]);
  }
};

/// An input as the network reads it.
MBRL_HD float normalize(float x, float mean, float inv_std) { return (x - mean) * inv_std; }

/// Error of one prediction, as the holdout sums it up.
MBRL_HD double squared_error(float predicted, float target) {
  const float error = predicted - target;
  return static_cast<double>(error) * error;
}

}  // namespace mbrl
