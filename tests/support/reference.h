// Float64 references that share nothing with the kernels but the parameter layout and the formulas'
// definitions: plain loops over one row at a time.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include "kernels/formulas/activation.h"
#include "kernels/networks/host_mlp.h"

namespace mbrl::reference {

using Doubles = std::vector<double>;

template <typename Range>
Doubles to_double(const Range& values) {
  return Doubles(values.begin(), values.end());
}

inline double softplus(double x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}
inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// Output of a network for one input row.
inline Doubles mlp(const MlpLayout& layout, const double* parameters, Activation hidden,
                   const Doubles& x) {
  HostActivation activation{[](double z) { return z * sigmoid(z); }, nullptr};
  if (hidden == Activation::kRelu) activation.value = [](double z) { return z > 0 ? z : 0.0; };
  if (hidden == Activation::kTanh) activation.value = [](double z) { return std::tanh(z); };
  return HostMlp(layout, activation).forward(parameters, x);
}

/// Soft bounds on a log-variance.
inline double bound_logvar(double raw, double max_logvar, double min_logvar) {
  const double below = max_logvar - softplus(max_logvar - raw);
  return min_logvar + softplus(below - min_logvar);
}

/// Squashed Gaussian action and its log-density, summed over dimensions; output holds means, then
/// raw log standard deviations.
struct Sample {
  Doubles action;
  double log_prob = 0.0;
};
inline Sample squashed_gaussian(const Doubles& output, const Doubles& noise) {
  const std::size_t A = noise.size();
  Sample sample;
  for (std::size_t i = 0; i < A; ++i) {
    const double log_std = std::fmin(std::fmax(output[A + i], -20.0), 2.0);
    const double u = output[i] + std::exp(log_std) * noise[i];
    sample.action.push_back(std::tanh(u));
    sample.log_prob += -0.5 * noise[i] * noise[i] - log_std - 0.5 * std::log(2 * M_PI) -
                       2.0 * (std::log(2.0) - u - softplus(-2.0 * u));
  }
  return sample;
}

/// Central difference of loss() with respect to one entry.
inline double derivative(double& entry, const std::function<double()>& loss, double step = 1e-5) {
  const double at = entry;
  entry = at + step;
  const double above = loss();
  entry = at - step;
  const double below = loss();
  entry = at;
  return (above - below) / (2.0 * step);
}

}  // namespace mbrl::reference
