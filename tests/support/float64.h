// Float64 references of formulas, written from their definitions.
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

/// Numerical gradient of loss() with respect to all of `parameters`.
template <typename Loss>
Doubles gradient(Doubles& parameters, Loss loss, double step = 1e-5) {
  Doubles g;
  for (double& p : parameters) g.push_back(derivative(p, loss, step));
  return g;
}

}  // namespace mbrl::reference
