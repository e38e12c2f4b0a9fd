// Loss gaussian_nll: a mean and a log-variance per target, the latter between learned bounds. The
// probabilistic ensemble of Chua et al. 2018, arXiv:1805.12114.
#pragma once

#include "kernels/formulas/gaussian_nll.h"
#include "kernels/formulas/losses/loss.h"

namespace mbrl {

struct GaussianNllLoss {
  static constexpr const char* kName = "gaussian_nll";
  static constexpr int kOutputs = 2;  // mean, raw log-variance
  static constexpr int kShared = 2;   // maximum and minimum of the log-variance
  static constexpr bool kNoise = true;

  static const char* shared_name(int i) { return i == 0 ? "max_logvar" : "min_logvar"; }
  static float shared_start(int i, const LogvarStart& start) {
    return i == 0 ? start.max : start.min;
  }
  /// Of penalty (sum max_logvar - sum min_logvar), which pulls the bounds together.
  MBRL_HD static float shared_gradient(int i, float penalty) { return i == 0 ? penalty : -penalty; }

  MBRL_HD static LossRow<kOutputs, kShared> row(const float* output, const float* shared,
                                                float target, float weight) {
    const BoundedLogvar lv = bound_logvar_with_gradient(output[1], shared[0], shared[1]);
    const NllTerm term = gaussian_nll_term(output[0], lv.value, target);
    const float d_logvar = weight * term.d_logvar;
    return {term.loss,
            {weight * term.d_mean, d_logvar * lv.d_raw},
            {d_logvar * lv.d_max, d_logvar * lv.d_min}};
  }

  MBRL_HD static float deviation(const float* output, const float* shared) {
    return exp_f(0.5f * bound_logvar(output[1], shared[0], shared[1]));
  }
  /// mean + standard deviation * noise
  MBRL_HD static float sample(const float* output, const float* shared, float noise) {
    return fma_f(deviation(output, shared), noise, output[0]);
  }
};

}  // namespace mbrl
