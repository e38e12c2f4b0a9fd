#include "kernels/gpu/linear.cuh"
#include "kernels/stages/ppo/gae.h"

namespace mbrl::gpu {
namespace {

struct Columns {
  Matrix<float> advantage, value_target;
  GaeIn in;
  float discount, lambda;
  __device__ void operator()(std::size_t env) const {
    gae_column(advantage, value_target, in, env, discount, lambda);
  }
};

}  // namespace

void gae(Stream& stream, Matrix<float> advantage, Matrix<float> value_target, const GaeIn& in,
         float discount, float lambda) {
  launch_linear(stream, "gae", static_cast<std::size_t>(advantage.size(1)),
                Columns{advantage, value_target, in, discount, lambda});
}

}  // namespace mbrl::gpu
