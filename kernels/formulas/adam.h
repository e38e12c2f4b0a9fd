// Adam (Kingma and Ba 2015, arXiv:1412.6980) in TensorFlow's form.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

struct AdamConstants {
  float learning_rate = 1e-3f;
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
};

/// Constants of one step: the bias corrections are folded into the rate.
struct AdamStep {
  float rate, beta1, beta2, epsilon;
};

/// Constants of step t, counted from 1: rate = learning_rate sqrt(1 - beta2^t) / (1 - beta1^t).
inline AdamStep adam_step_constants(const AdamConstants& c, std::int64_t t) {
  const double steps = static_cast<double>(t);
  const double correction1 = 1.0 - std::pow(static_cast<double>(c.beta1), steps);
  const double correction2 = 1.0 - std::pow(static_cast<double>(c.beta2), steps);
  return {static_cast<float>(c.learning_rate * std::sqrt(correction2) / correction1), c.beta1,
          c.beta2, c.epsilon};
}

/// One parameter. Epsilon is added to the uncorrected sqrt(v), as TensorFlow does and PyTorch does
/// not: in early steps that makes it up to 1 / sqrt(1 - beta2) = 32 times larger in effect.
MBRL_HD void adam_update(float& parameter, float& m, float& v, float gradient, const AdamStep& s) {
  m = fma_f(s.beta1, m, (1.0f - s.beta1) * gradient);
  v = fma_f(s.beta2, v, (1.0f - s.beta2) * gradient * gradient);
  parameter -= s.rate * m / (square_root(v) + s.epsilon);
}

}  // namespace mbrl
