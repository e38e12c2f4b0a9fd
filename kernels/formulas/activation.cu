#include "kernels/formulas/activation.h"
#include "kernels/gpu/linear.cuh"

namespace mbrl::gpu {
namespace {

struct Forward {
  float* y;
  const float* x;
  Activation kind;
  __device__ void operator()(std::size_t i) const { y[i] = activate(kind, x[i]); }
};

struct Backward {
  float* d_x;
  const float *d_y, *x;
  Activation kind;
  __device__ void operator()(std::size_t i) const {
    d_x[i] = d_y[i] * activation_gradient(kind, x[i]);
  }
};

}  // namespace

void activation_forward(Stream& stream, Matrix<float> y, Matrix<const float> x, Activation kind) {
  launch_linear(stream, "activation_forward", y.count(), Forward{y.data, x.data, kind});
}

void activation_backward(Stream& stream, Matrix<float> d_x, Matrix<const float> d_y,
                         Matrix<const float> x, Activation kind) {
  launch_linear(stream, "activation_backward", d_x.count(),
                Backward{d_x.data, d_y.data, x.data, kind});
}

}  // namespace mbrl::gpu
