// The policy's distribution: a Gaussian squashed by tanh (Haarnoja et al. 2018, arXiv:1812.05905,
// appendix C).
#pragma once

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

constexpr float kMinLogStd = -20.0f;
constexpr float kMaxLogStd = 2.0f;

/// One action dimension: u = mean + std noise, action = tanh(u), and the log-density of the action.
struct SquashedSample {
  float action, log_prob, pre_tanh, std;
};
MBRL_HD SquashedSample squashed_gaussian_sample(float mean, float raw_log_std, float noise) {
  const float log_std = clamp_f(raw_log_std, kMinLogStd, kMaxLogStd);
  const float std = exp_f(log_std);
  const float u = fma_f(std, noise, mean);
  // ln(1 - tanh(u)^2) = 2 (ln 2 - u - softplus(-2u)), finite for every u
  const float log_det = 2.0f * (0.69314718f - u - softplus_f(-2.0f * u));
  const float log_normal = fma_f(-0.5f * noise, noise, -log_std) - 0.91893853f;  // ln(2 pi) / 2
  return {tanh_f(u), log_normal - log_det, u, std};
}

/// The action alone.
MBRL_HD float squashed_gaussian_action(float mean, float raw_log_std, float noise) {
  return tanh_f(fma_f(exp_f(clamp_f(raw_log_std, kMinLogStd, kMaxLogStd)), noise, mean));
}

/// The log-density of an action that was chosen before, one dimension. The largest float below 1
/// stands for actions at the end of their range, whose density is not finite.
MBRL_HD float squashed_gaussian_log_prob(float mean, float raw_log_std, float action) {
  const float a = clamp_f(action, -0.99999994f, 0.99999994f);
  const float log_std = clamp_f(raw_log_std, kMinLogStd, kMaxLogStd);
  const float u = 0.5f * (log_positive(1.0f + a) - log_positive(1.0f - a));  // atanh
  const float noise = (u - mean) * exp_f(-log_std);
  const float log_det = log_positive(fma_f(-a, a, 1.0f));
  return fma_f(-0.5f * noise, noise, -log_std) - 0.91893853f - log_det;  // ln(2 pi) / 2
}

/// Gradient of a loss with respect to the network's outputs, given dL/d action and dL/d log_prob.
/// The noise is held fixed (reparameterisation): d log_prob / du = 2 tanh(u), and the density of
/// the noise itself leaves -1 for log_std.
struct SquashedGradient {
  float d_mean, d_raw_log_std;
};
MBRL_HD SquashedGradient squashed_gaussian_gradient(const SquashedSample& s, float raw_log_std,
                                                    float noise, float d_action, float d_log_prob) {
  const float d_u = d_action * (1.0f - s.action * s.action) + d_log_prob * 2.0f * s.action;
  const float d_log_std = d_u * s.std * noise - d_log_prob;
  // a clipped value has no gradient
  const bool clipped = raw_log_std < kMinLogStd || raw_log_std > kMaxLogStd;
  return {d_u, clipped ? 0.0f : d_log_std};
}

}  // namespace mbrl
