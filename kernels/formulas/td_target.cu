#include "kernels/gpu/linear.cuh"
#include "kernels/formulas/td_target.h"

namespace mbrl::gpu {
namespace {

struct Target {
  float* target;
  TdTargetIn in;
  float discount;
  __device__ void operator()(std::size_t i) const {
    target[i] = td_target_value(in.reward[i], in.terminated[i], in.next_q1[i], in.next_q2[i],
                                *in.alpha, in.next_log_prob[i], discount);
  }
};

}  // namespace

void td_target(Stream& stream, Vector<float> target, const TdTargetIn& in, float discount) {
  launch_linear(stream, "td_target", target.count(), Target{target.data, in, discount});
}

}  // namespace mbrl::gpu
