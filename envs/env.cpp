#include "envs/env.h"

#include <algorithm>
#include <cmath>

namespace mbrl {
namespace {

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

const char* fault_text(Fault fault) {
  switch (fault) {
    case kNoFault:
      return "no fault";
    case kBadAction:
      return "an action is not finite";
    case kEngineFault:
      return "the simulator gave up on its state";
    case kClockFault:
      return "the simulator's time did not advance by one step";
    case kNotFinite:
      return "a value is not finite";
    case kTooFast:
      return "a speed is beyond the limit";
    case kDied:
      return "the environment's process ended";
    case kHung:
      return "the environment's process did not answer in time";
    case kNonsense:
      return "the environment's process answered nonsense";
    case kRefused:
      return "the environment's process answered with an error";
    case kNumFaults:
      break;
  }
  return "an unknown fault";
}

StepResult Env::step(std::span<const float> action, std::span<float> observation) {
  if (!all_finite(action)) return {.broken = kBadAction};
  const StepResult result = do_step(action, observation);
  if (result.broken || (std::isfinite(result.reward) && all_finite(observation))) return result;
  return {.broken = kNotFinite};
}

}  // namespace mbrl
