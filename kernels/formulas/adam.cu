#include "kernels/formulas/adam.h"
#include "kernels/gpu/linear.cuh"

namespace mbrl::gpu {
namespace {

struct Update {
  float *parameters, *m, *v;
  const float* gradient;
  AdamStep step;
  __device__ void operator()(std::size_t i) const {
    adam_update(parameters[i], m[i], v[i], gradient[i], step);
  }
};

}  // namespace

void adam(Stream& stream, Vector<float> parameters, Vector<float> m, Vector<float> v,
          Vector<const float> gradient, const AdamStep& step) {
  launch_linear(stream, "adam", parameters.count(),
                Update{parameters.data, m.data, v.data, gradient.data, step});
}

}  // namespace mbrl::gpu
