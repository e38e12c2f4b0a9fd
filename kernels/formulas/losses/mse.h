// Loss mse: squared error of one output per target. Predictions are the output itself, so imagined
// branches differ by start, action and member alone.
#pragma once

#include "kernels/formulas/losses/loss.h"

namespace mbrl {

struct MseLoss {
  static constexpr const char* kName = "mse";
  static constexpr int kOutputs = 1;
  static constexpr int kShared = 0;
  static constexpr bool kNoise = false;

  static const char* shared_name(int) { return ""; }
  static float shared_start(int, const LogvarStart&) { return 0.0f; }
  MBRL_HD static float shared_gradient(int, float) { return 0.0f; }

  MBRL_HD static LossRow<kOutputs, kShared> row(const float* output, const float*, float target,
                                                float weight) {
    const float error = output[0] - target;
    return {error * error, {weight * (2.0f * error)}, {}};
  }

  MBRL_HD static float deviation(const float*, const float*) { return 0.0f; }
  MBRL_HD static float sample(const float* output, const float*, float) { return output[0]; }
};

}  // namespace mbrl
