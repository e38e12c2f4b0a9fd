// Activations of hidden layers.
#pragma once

#include "cuda/buffer.h"
#include "base/hd.h"
#include "base/scalar.h"
#include "cuda/stream.h"

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

/// y = activation(x), element by element.
///
/// Shapes   x and y: [B, F]. y may be x.
/// Errors   ShapeError if the shapes differ.
/// Cost     memory bound for relu, about 25 operations per element for swish and tanh; shared by
/// the
///          pool. Deterministic.
void activation_forward(Stream& stream, Matrix<float> y, Matrix<const float> x, Activation kind);

/// d_x = d_y activation'(x).
///
/// Shapes   d_x, d_y and x, the input of the forward pass: [B, F]. d_x may be d_y or x.
/// Errors   ShapeError naming the first array whose shape is not that of d_x.
/// Cost     as the forward pass.
void activation_backward(Stream& stream, Matrix<float> d_x, Matrix<const float> d_y,
                         Matrix<const float> x, Activation kind);

namespace gpu {
MBRL_GPU_ONLY void activation_forward(Stream& stream, Matrix<float> y, Matrix<const float> x,
                                      Activation kind);
MBRL_GPU_ONLY void activation_backward(Stream& stream, Matrix<float> d_x, Matrix<const float> d_y,
                                       Matrix<const float> x, Activation kind);
}  // namespace gpu

}  // namespace mbrl
