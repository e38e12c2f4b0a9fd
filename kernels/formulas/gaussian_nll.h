// Gaussian negative log-likelihood with soft learned bounds on the log-variance (Chua et al. 2018,
// arXiv:1805.12114, equation 1 and appendix A.1).
#pragma once

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

/// Log-variance between its bounds:
///   a  = max_logvar - softplus(max_logvar - raw)
///   lv = min_logvar + softplus(a - min_logvar)
MBRL_HD float bound_logvar(float raw, float max_logvar, float min_logvar) {
  const float below_max = max_logvar - softplus_f(max_logvar - raw);
  return min_logvar + softplus_f(below_max - min_logvar);
}

/// The same with its partial derivatives.
struct BoundedLogvar {
  float value, d_raw, d_max, d_min;
};
MBRL_HD BoundedLogvar bound_logvar_with_gradient(float raw, float max_logvar, float min_logvar) {
  const float below_max = max_logvar - softplus_f(max_logvar - raw);
  const SigmoidPair at_max = sigmoid_pair_f(max_logvar - raw);        // d a / d raw, d a / d max
  const SigmoidPair at_min = sigmoid_pair_f(below_max - min_logvar);  // d lv / d a, d lv / d min
  return {min_logvar + softplus_f(below_max - min_logvar), at_min.value * at_max.value,
          at_min.value * at_max.complement, at_min.complement};
}

/// One output of one row: loss = (mean - target)^2 exp(-logvar) + logvar, without a factor 1/2.
struct NllTerm {
  float loss, d_mean, d_logvar;
};
MBRL_HD NllTerm gaussian_nll_term(float mean, float logvar, float target) {
  const float error = mean - target;
  const float precision = exp_f(-logvar);
  const float scaled = error * precision;
  return {fma_f(error, scaled, logvar), 2.0f * scaled, 1.0f - error * scaled};
}

}  // namespace mbrl
