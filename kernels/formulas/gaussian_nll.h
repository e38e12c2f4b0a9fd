// Gaussian negative log-likelihood with soft learned bounds on the log-variance (Chua et al. 2018,
// arXiv:1805.12114, equation 1 and appendix A.1).
#pragma once

#include "cuda/buffer.h"
#include "base/hd.h"
#include "base/scalar.h"
#include "cuda/stream.h"

namespace mbrl {

/// Log-variance between its bounds:
///   a  = max_logvar - softplus(max_logvar - raw)
///   lv = min_logvar + softplus(a - min_logvar)
MBRL_HD float bound_logvar(float raw, float max_logvar, float min_logvar) {
  const float below_max = max_logvar - softplus_f(max_logvar - raw);
  return min_logvar + softplus_f(below_max - min_logvar);
}

/// The same with its partial derivatives.
struct BoundedLogvar {
  float value, d_raw, d_max, d_min;
};
MBRL_HD BoundedLogvar bound_logvar_with_gradient(float raw, float max_logvar, float min_logvar) {
  const float below_max = max_logvar - softplus_f(max_logvar - raw);
  const SigmoidPair at_max = sigmoid_pair_f(max_logvar - raw);        // d a / d raw, d a / d max
  const SigmoidPair at_min = sigmoid_pair_f(below_max - min_logvar);  // d lv / d a, d lv / d min
  return {min_logvar + softplus_f(below_max - min_logvar), at_min.value * at_max.value,
          at_min.value * at_max.complement, at_min.complement};
}

/// One output of one row: loss = (mean - target)^2 exp(-logvar) + logvar, without a factor 1/2.
struct NllTerm {
  float loss, d_mean, d_logvar;
};
MBRL_HD NllTerm gaussian_nll_term(float mean, float logvar, float target) {
  const float error = mean - target;
  const float precision = exp_f(-logvar);
  const float scaled = error * precision;
  return {fma_f(error, scaled, logvar), 2.0f * scaled, 1.0f - error * scaled};
}

/// What the loss reads.
struct GaussianNllIn {
  Matrix<const float> mean, raw_logvar;        // [B, D]: outputs of the network
  Matrix<const float> target;                  // [B, D]
  Vector<const float> max_logvar, min_logvar;  // [D]: learned bounds
};

/// Gradients of the loss. None may overlap another or an input.
struct GaussianNllGradients {
  Matrix<float> d_mean, d_raw_logvar;        // [B, D]
  Vector<float> d_max_logvar, d_min_logvar;  // [D]
};

/// loss = mean over rows and outputs of (mean - target)^2 exp(-lv) + lv with lv =
/// bound_logvar(raw), and its gradients (overwritten, not added to). The penalty on the bounds is
/// logvar_bound_penalty.
///
/// Shapes   loss: [1]; the others as in the structs. B is at least 1.
/// Units    loss in nats, twice and without the constant ln(2 pi); logvar in ln(target unit^2).
/// Errors   ShapeError naming the first array that does not fit in.mean.
/// Cost     about 150 operations per element in the calling thread; sums over rows in double and in
/// row
///          order, so deterministic.
/// Source   Chua et al. 2018, arXiv:1805.12114, equation 1 and appendix A.1.
void gaussian_nll(Stream& stream, Vector<float> loss, const GaussianNllGradients& gradients,
                  const GaussianNllIn& in);

/// Adds penalty (sum max_logvar - sum min_logvar) to the loss and its gradients, +penalty and
/// -penalty per output: it keeps the bounds tight. Added once per step, however many members share
/// the bounds.
///
/// Shapes   loss: [1]; the others: [D].
/// Errors   ShapeError naming the first array whose length is not that of max_logvar.
void logvar_bound_penalty(Stream& stream, Vector<float> loss, Vector<float> d_max_logvar,
                          Vector<float> d_min_logvar, Vector<const float> max_logvar,
                          Vector<const float> min_logvar, float penalty);

namespace gpu {
MBRL_GPU_ONLY void gaussian_nll(Stream& stream, Vector<float> loss,
                                const GaussianNllGradients& gradients, const GaussianNllIn& in);
MBRL_GPU_ONLY void logvar_bound_penalty(Stream& stream, Vector<float> loss,
                                        Vector<float> d_max_logvar, Vector<float> d_min_logvar,
                                        Vector<const float> max_logvar,
                                        Vector<const float> min_logvar, float penalty);
}  // namespace gpu

}  // namespace mbrl
