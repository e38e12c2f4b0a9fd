#include "kernels/formulas/activation.h"

#include "kernels/cpu/parallel.h"
#include "kernels/data/shapes.h"

namespace mbrl {
namespace {

// calls body with the kind as a constant, so that each kind gets a loop of its own
template <typename Body>
void with_constant_kind(Activation kind, Body body) {
  switch (kind) {
    case Activation::kNone:
      return body.template operator()<Activation::kNone>();
    case Activation::kRelu:
      return body.template operator()<Activation::kRelu>();
    case Activation::kSwish:
      return body.template operator()<Activation::kSwish>();
    case Activation::kTanh:
      return body.template operator()<Activation::kTanh>();
  }
}

}  // namespace

void activation_forward(Stream& stream, Matrix<float> y, Matrix<const float> x, Activation kind) {
  check_same_shape("activation_forward", {"y", y}, {{"x", x}});
  if (stream.on_gpu()) return gpu::activation_forward(stream, y, x, kind);

  with_constant_kind(kind, [&]<Activation kKind>() {
    parallel_ranges(stream, y.count(), kElementsPerRange, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) y[i] = activate(kKind, x[i]);
    });
  });
}

void activation_backward(Stream& stream, Matrix<float> d_x, Matrix<const float> d_y,
                         Matrix<const float> x, Activation kind) {
  check_same_shape("activation_backward", {"d_x", d_x}, {{"d_y", d_y}, {"x", x}});
  if (stream.on_gpu()) return gpu::activation_backward(stream, d_x, d_y, x, kind);

  with_constant_kind(kind, [&]<Activation kKind>() {
    parallel_ranges(stream, d_x.count(), kElementsPerRange,
                    [&](std::size_t begin, std::size_t end) {
                      for (std::size_t i = begin; i < end; ++i)
                        d_x[i] = d_y[i] * activation_gradient(kKind, x[i]);
                    });
  });
}

}  // namespace mbrl
