#include "kernels/gpu/linear.cuh"
#include "kernels/formulas/polyak.h"

namespace mbrl::gpu {
namespace {

struct Average {
  float* target;
  const float* source;
  float tau;
  __device__ void operator()(std::size_t i) const { target[i] = polyak(target[i], source[i], tau); }
};

}  // namespace

void polyak_average(Stream& stream, Vector<float> target, Vector<const float> source, float tau) {
  launch_linear(stream, "polyak_average", target.count(), Average{target.data, source.data, tau});
}

}  // namespace mbrl::gpu
