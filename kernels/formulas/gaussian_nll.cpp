#include "kernels/formulas/gaussian_nll.h"

#include <algorithm>

#include "kernels/data/shapes.h"

namespace mbrl {

namespace {

// outputs whose sums over rows are kept in registers or L1 at a time
constexpr int kColumnsPerBlock = 32;

}  // namespace

void gaussian_nll(Stream& stream, Vector<float> loss, const GaussianNllGradients& gradients,
                  const GaussianNllIn& in) {
  const GaussianNllGradients& g = gradients;
  const int B = in.mean.size(0), D = in.mean.size(1);
  check_shape("gaussian_nll", {"loss", loss}, {1}, "one number");
  check_same_shape("gaussian_nll", {"mean", in.mean},
                   {{"raw_logvar", in.raw_logvar},
                    {"target", in.target},
                    {"d_mean", g.d_mean},
                    {"d_raw_logvar", g.d_raw_logvar}});
  check_shape("gaussian_nll", {"max_logvar", in.max_logvar}, {D}, "one per column of mean");
  check_shape("gaussian_nll", {"min_logvar", in.min_logvar}, {D}, "one per column of mean");
  check_shape("gaussian_nll", {"d_max_logvar", g.d_max_logvar}, {D}, "one per column of mean");
  check_shape("gaussian_nll", {"d_min_logvar", g.d_min_logvar}, {D}, "one per column of mean");
  if (stream.on_gpu()) return gpu::gaussian_nll(stream, loss, gradients, in);

  const double count = static_cast<double>(B) * D;
  const auto scale = static_cast<float>(1.0 / count);
  double total = 0.0;
  for (int first = 0; first < D; first += kColumnsPerBlock) {
    const int columns = std::min(kColumnsPerBlock, D - first);
    double sum[kColumnsPerBlock] = {}, sum_max[kColumnsPerBlock] = {},
           sum_min[kColumnsPerBlock] = {};
    for (int row = 0; row < B; ++row) {
      const float* mean = in.mean.row(row) + first;
      const float* raw = in.raw_logvar.row(row) + first;
      const float* target = in.target.row(row) + first;
      float* d_mean = g.d_mean.row(row) + first;
      float* d_raw = g.d_raw_logvar.row(row) + first;
      for (int i = 0; i < columns; ++i) {
        const BoundedLogvar lv =
            bound_logvar_with_gradient(raw[i], in.max_logvar[first + i], in.min_logvar[first + i]);
        const NllTerm term = gaussian_nll_term(mean[i], lv.value, target[i]);
        sum[i] += term.loss;
        sum_max[i] += term.d_logvar * lv.d_max;
        sum_min[i] += term.d_logvar * lv.d_min;
        d_mean[i] = scale * term.d_mean;
        d_raw[i] = scale * term.d_logvar * lv.d_raw;
      }
    }
    for (int i = 0; i < columns; ++i) {
      total += sum[i];
      g.d_max_logvar[first + i] = static_cast<float>(sum_max[i] / count);
      g.d_min_logvar[first + i] = static_cast<float>(sum_min[i] / count);
    }
  }
  loss[0] = static_cast<float>(total / count);
}

void logvar_bound_penalty(Stream& stream, Vector<float> loss, Vector<float> d_max_logvar,
                          Vector<float> d_min_logvar, Vector<const float> max_logvar,
                          Vector<const float> min_logvar, float penalty) {
  check_shape("logvar_bound_penalty", {"loss", loss}, {1}, "one number");
  check_same_shape(
      "logvar_bound_penalty", {"max_logvar", max_logvar},
      {{"min_logvar", min_logvar}, {"d_max_logvar", d_max_logvar}, {"d_min_logvar", d_min_logvar}});
  if (stream.on_gpu())
    return gpu::logvar_bound_penalty(stream, loss, d_max_logvar, d_min_logvar, max_logvar,
                                     min_logvar, penalty);

  double width = 0.0;
  for (int i = 0; i < max_logvar.size(); ++i) {
    width += static_cast<double>(max_logvar[i]) - min_logvar[i];
    d_max_logvar[i] += penalty;
    d_min_logvar[i] -= penalty;
  }
  loss[0] += static_cast<float>(penalty * width);
}

}  // namespace mbrl
