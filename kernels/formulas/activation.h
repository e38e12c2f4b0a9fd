// Activations of hidden layers.
#pragma once

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

enum class Activation { kNone, kRelu, kSwish, kTanh };

/// The activation at x. NaN goes through all of them.
MBRL_HD float activate(Activation kind, float x) {
  switch (kind) {
    case Activation::kRelu:
      return max_f(0.0f, x);
    case Activation::kSwish:
      return swish_f(x);
    case Activation::kTanh:
      return tanh_f(x);
    default:
      return x;
  }
}

/// Its derivative at x, the value before the activation. Relu has 0 at 0.
MBRL_HD float activation_gradient(Activation kind, float x) {
  switch (kind) {
    case Activation::kRelu:
      return x > 0.0f ? 1.0f : 0.0f;
    case Activation::kSwish:
      return swish_gradient_f(x);
    case Activation::kTanh: {
      const float y = tanh_f(x);
      return fma_f(-y, y, 1.0f);
    }
    default:
      return 1.0f;
  }
}

}  // namespace mbrl
