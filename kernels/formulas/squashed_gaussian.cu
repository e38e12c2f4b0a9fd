#include "kernels/gpu/linear.cuh"
#include "kernels/formulas/squashed_gaussian.h"

namespace mbrl::gpu {
namespace {

// one thread per row: the log-density is a sum over its actions
struct Forward {
  Matrix<float> action;
  float* log_prob;
  Matrix<const float> head, noise;
  __device__ void operator()(std::size_t i) const {
    const int row = static_cast<int>(i), A = action.size(1);
    float sum = 0.0f;
    for (int k = 0; k < A; ++k) {
      const SquashedSample s =
          squashed_gaussian_sample(head.row(row)[k], head.row(row)[A + k], noise.row(row)[k]);
      action.row(row)[k] = s.action;
      sum += s.log_prob;
    }
    log_prob[i] = sum;
  }
};

// one thread per action; it alone reads and writes its mean and log standard deviation
struct Backward {
  Matrix<float> d_head;
  Matrix<const float> head, noise, d_action;
  const float* d_log_prob;
  __device__ void operator()(std::size_t i) const {
    const int A = noise.size(1);
    const int row = static_cast<int>(i) / A, k = static_cast<int>(i) % A;
    const float raw = head.row(row)[A + k], n = noise[i];
    const SquashedSample s = squashed_gaussian_sample(head.row(row)[k], raw, n);
    const SquashedGradient g = squashed_gaussian_gradient(s, raw, n, d_action[i], d_log_prob[row]);
    d_head.row(row)[k] = g.d_mean;
    d_head.row(row)[A + k] = g.d_raw_log_std;
  }
};

}  // namespace

void squashed_gaussian_forward(Stream& stream, Matrix<float> action, Vector<float> log_prob,
                               Matrix<const float> head, Matrix<const float> noise) {
  launch_linear(stream, "squashed_gaussian_forward", static_cast<std::size_t>(action.size(0)),
                Forward{action, log_prob.data, head, noise});
}

void squashed_gaussian_backward(Stream& stream, Matrix<float> d_head, Matrix<const float> head,
                                Matrix<const float> noise, Matrix<const float> d_action,
                                Vector<const float> d_log_prob) {
  launch_linear(stream, "squashed_gaussian_backward", noise.count(),
                Backward{d_head, head, noise, d_action, d_log_prob.data});
}

}  // namespace mbrl::gpu
