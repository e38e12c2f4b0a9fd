// Float64 references of the small operations: plain loops, written from the definitions.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/formulas/activation.h"
#include "tests/support/reference.h"

namespace mbrl::reference {

inline std::size_t at(int row, int column, int columns) {
  return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) +
         static_cast<std::size_t>(column);
}

/// y = x W^T + b with x [rows, in], W [out, in].
inline Doubles dense(const Doubles& x, const Doubles& weight, const Doubles& bias, int rows, int in,
                     int out) {
  Doubles y(at(rows, 0, out));
  for (int r = 0; r < rows; ++r)
    for (int o = 0; o < out; ++o) {
      double sum = bias[static_cast<std::size_t>(o)];
      for (int i = 0; i < in; ++i) sum += x[at(r, i, in)] * weight[at(o, i, in)];
      y[at(r, o, out)] = sum;
    }
  return y;
}

inline double activate(Activation kind, double x) {
  switch (kind) {
    case Activation::kRelu:
      return x > 0.0 ? x : 0.0;
    case Activation::kSwish:
      return x * sigmoid(x);
    case Activation::kTanh:
      return std::tanh(x);
    default:
      return x;
  }
}

/// Mean over `D` outputs and all rows of (mean - target)^2 / variance + log-variance.
inline double gaussian_nll(const Doubles& mean, const Doubles& raw_logvar, const Doubles& target,
                           const Doubles& max_logvar, const Doubles& min_logvar) {
  const std::size_t D = max_logvar.size();
  double sum = 0.0;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double logvar = bound_logvar(raw_logvar[i], max_logvar[i % D], min_logvar[i % D]);
    sum += (mean[i] - target[i]) * (mean[i] - target[i]) / std::exp(logvar) + logvar;
  }
  return sum / static_cast<double>(mean.size());
}

/// Numerical gradient of loss() with respect to all of `parameters`.
template <typename Loss>
Doubles gradient(Doubles& parameters, Loss loss, double step = 1e-5) {
  Doubles g;
  for (double& p : parameters) g.push_back(derivative(p, loss, step));
  return g;
}

}  // namespace mbrl::reference
