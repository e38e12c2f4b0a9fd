#include "cuda/kernel.cuh"
#include "kernels/formulas/gaussian_nll.h"

namespace mbrl::gpu {
namespace {

constexpr int kThreads = 256;

// sums `value` over the threads of the block in a fixed tree; thread 0 has the result
__device__ double block_sum(double value, double* scratch) {
  const int thread = static_cast<int>(threadIdx.x);
  scratch[thread] = value;
  sync_block();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (thread < half) scratch[thread] += scratch[thread + half];
    sync_block();
  }
  const double sum = scratch[0];
  sync_block();
  return sum;
}

// one block, column by column: general rather than fast; the ensemble stage has its own
__global__ void gaussian_nll_kernel(Vector<float> loss, GaussianNllGradients g, GaussianNllIn in) {
  auto* scratch = reinterpret_cast<double*>(shared_floats());
  const int B = in.mean.size(0), D = in.mean.size(1);
  const double count = static_cast<double>(B) * D;
  const auto scale = static_cast<float>(1.0 / count);
  double total = 0.0;
  for (int i = 0; i < D; ++i) {
    double sum = 0.0, sum_max = 0.0, sum_min = 0.0;
    for (int row = static_cast<int>(threadIdx.x); row < B; row += kThreads) {
      const BoundedLogvar lv =
          bound_logvar_with_gradient(in.raw_logvar.row(row)[i], in.max_logvar[i], in.min_logvar[i]);
      const NllTerm term = gaussian_nll_term(in.mean.row(row)[i], lv.value, in.target.row(row)[i]);
      sum += term.loss;
      sum_max += term.d_logvar * lv.d_max;
      sum_min += term.d_logvar * lv.d_min;
      g.d_mean.row(row)[i] = scale * term.d_mean;
      g.d_raw_logvar.row(row)[i] = scale * term.d_logvar * lv.d_raw;
    }
    total += block_sum(sum, scratch);
    const double all_max = block_sum(sum_max, scratch), all_min = block_sum(sum_min, scratch);
    if (threadIdx.x == 0) {
      g.d_max_logvar[i] = static_cast<float>(all_max / count);
      g.d_min_logvar[i] = static_cast<float>(all_min / count);
    }
  }
  if (threadIdx.x == 0) loss[0] = static_cast<float>(total / count);
}

__global__ void logvar_bound_penalty_kernel(Vector<float> loss, Vector<float> d_max_logvar,
                                            Vector<float> d_min_logvar,
                                            Vector<const float> max_logvar,
                                            Vector<const float> min_logvar, float penalty) {
  double width = 0.0;
  for (int i = 0; i < max_logvar.size(); ++i) {
    width += static_cast<double>(max_logvar[i]) - min_logvar[i];
    d_max_logvar[i] += penalty;
    d_min_logvar[i] -= penalty;
  }
  loss[0] += static_cast<float>(penalty * width);
}

}  // namespace

void gaussian_nll(Stream& stream, Vector<float> loss, const GaussianNllGradients& gradients,
                  const GaussianNllIn& in) {
  launch(stream, "gaussian_nll", gaussian_nll_kernel,
         {{1, 1, 1}, kThreads, kThreads * sizeof(double)}, loss, gradients, in);
}

void logvar_bound_penalty(Stream& stream, Vector<float> loss, Vector<float> d_max_logvar,
                          Vector<float> d_min_logvar, Vector<const float> max_logvar,
                          Vector<const float> min_logvar, float penalty) {
  launch(stream, "logvar_bound_penalty", logvar_bound_penalty_kernel, {{1, 1, 1}, 1, 0}, loss,
         d_max_logvar, d_min_logvar, max_logvar, min_logvar, penalty);
}

}  // namespace mbrl::gpu
