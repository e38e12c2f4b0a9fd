// What proximal policy optimization (Schulman et al. 2017, arXiv:1707.06347) does with one
// row: drawing an action, the clipped surrogate with its gradient, the value loss.
#pragma once

#include <bit>
#include <cstdint>

#include "base/hd.h"
#include "base/rng.h"
#include "base/scalar.h"

namespace mbrl {

constexpr int kMaxPpoHeads = 16;

/// PpoShape's actions as kernels see them.
struct PpoHeads {
  int count = 0;  // 0: Gaussian
  int size[kMaxPpoHeads] = {};
  int num_actions = 0, num_log_probs = 0, num_outputs = 0;
};

/// ln of the sum of e^logit over `n` logits, `stride` floats apart.
MBRL_HD float log_sum_exp(const float* logits, int stride, int n) {
  float largest = logits[0];
  for (int i = 1; i < n; ++i) largest = max_f(largest, logits[i * stride]);
  float sum = 0.0f;
  for (int i = 0; i < n; ++i) sum += exp_f(logits[i * stride] - largest);
  return largest + log_positive(sum);
}

/// The category drawn by u in [0, 1): the first whose cumulated probability exceeds it.
MBRL_HD int categorical_sample(const float* logits, int stride, int n, float log_sum, float u) {
  float below = 0.0f;
  for (int i = 0; i + 1 < n; ++i) {
    below += exp_f(logits[i * stride] - log_sum);
    if (u < below) return i;
  }
  return n - 1;
}

/// The likeliest category, the first of equals.
MBRL_HD int categorical_mode(const float* logits, int stride, int n) {
  int best = 0;
  for (int i = 1; i < n; ++i)
    if (logits[i * stride] > logits[best * stride]) best = i;
  return best;
}

/// Log-probability of a category given as a float; NaN for one that does not exist, which stops the
/// update.
MBRL_HD float categorical_log_prob(const float* logits, int stride, int n, float log_sum,
                                   float category) {
  if (!(category >= 0.0f && category < static_cast<float>(n)))
    return std::bit_cast<float>(0x7fc00000u);
  return logits[static_cast<int>(category) * stride] - log_sum;
}

/// Entropy in nats.
MBRL_HD float categorical_entropy(const float* logits, int stride, int n, float log_sum) {
  float sum = 0.0f;
  for (int i = 0; i < n; ++i) {
    const float log_p = logits[i * stride] - log_sum;
    sum += exp_f(log_p) * -log_p;
  }
  return sum;
}

/// Gradient with respect to logit i, given those with respect to the log-probability of `category`
/// and to the entropy: d log p_c / d l_i = [i = c] - p_i, dH / d l_i = -p_i (ln p_i + H).
MBRL_HD float categorical_gradient(float logit, float log_sum, float entropy, bool chosen,
                                   float d_log_prob, float d_entropy) {
  const float log_p = logit - log_sum;
  const float p = exp_f(log_p);
  return d_log_prob * ((chosen ? 1.0f : 0.0f) - p) - d_entropy * (p * (log_p + entropy));
}

/// Log-density of one value under a Gaussian, and its derivatives.
struct GaussianDensity {
  float log_prob, d_mean, d_log_std;
};
MBRL_HD GaussianDensity gaussian_density(float action, float mean, float log_std) {
  const float inv_std = exp_f(-log_std);
  const float z = (action - mean) * inv_std;
  return {fma_f(-0.5f * z, z, -log_std) - 0.91893853f,  // ln(2 pi) / 2
          z * inv_std, fma_f(z, z, -1.0f)};
}

/// Entropy of one value in nats; its derivative with respect to log_std is 1.
MBRL_HD float gaussian_entropy(float log_std) { return log_std + 1.41893853f; }  // ln(2 pi e) / 2

/// The clipped surrogate loss of one log-probability, arXiv:1707.06347 eq. 7 with its sign turned.
struct Surrogate {
  float loss;        // -min(r A, clamp(r, 1 - clip, 1 + clip) A)
  float d_log_prob;  // its derivative; none where the clipped branch counts
  float approx_kl;   // r - 1 - ln r, whose mean under the old policy is its divergence
  float is_clipped;  // 1 where the ratio r lies outside of the range, else 0
};
MBRL_HD Surrogate ppo_surrogate(float log_prob, float old_log_prob, float advantage, float clip) {
  const float log_ratio = log_prob - old_log_prob;
  const float ratio = exp_f(log_ratio);
  const float plain = ratio * advantage;
  const float clipped = clamp_f(ratio, 1.0f - clip, 1.0f + clip) * advantage;
  const bool flat = clipped < plain;
  return {flat ? -clipped : -plain, flat ? 0.0f : -plain, (ratio - 1.0f) - log_ratio,
          absolute(ratio - 1.0f) > clip ? 1.0f : 0.0f};
}

/// What a row adds to the sums of an update; after them come its gradients with respect to each
/// log_std.
enum PpoTerm { kPpoPolicyLoss, kPpoEntropy, kPpoKl, kPpoClipped, kPpoValueLoss, kNumPpoTerms };

/// The part of PpoConstants that the formulas read.
struct PpoRule {
  float clip, entropy_bonus, value_weight;
  float row_weight;  // 1 / rows: losses are means
  float max_gradient_norm;
};

/// One row of the policy: its terms (all but the value loss) and the gradient of
/// policy_loss - entropy_bonus entropy with respect to the policy's outputs and log_std.
/// Consecutive outputs lie `stride` floats apart, so do d_output's; terms `term_stride`.
MBRL_HD void ppo_policy_row(const PpoHeads& heads, const PpoRule& rule, const float* output,
                            int stride, const float* log_std, const float* action,
                            const float* old_log_prob, float advantage, float* d_output,
                            float* terms, int term_stride) {
  float loss = 0.0f, entropy = 0.0f, kl = 0.0f, clipped = 0.0f;
  const float d_entropy = -rule.entropy_bonus * rule.row_weight;
  int first = 0;
  for (int h = 0; h < heads.count; ++h) {
    const int n = heads.size[h];
    const float* logits = output + first * stride;
    const float log_sum = log_sum_exp(logits, stride, n);
    const float head_entropy = categorical_entropy(logits, stride, n, log_sum);
    const Surrogate s = ppo_surrogate(categorical_log_prob(logits, stride, n, log_sum, action[h]),
                                      old_log_prob[h], advantage, rule.clip);
    for (int i = 0; i < n; ++i)
      d_output[(first + i) * stride] = categorical_gradient(
          logits[i * stride], log_sum, head_entropy,
          action[h] >= static_cast<float>(i) && action[h] < static_cast<float>(i + 1),
          s.d_log_prob * rule.row_weight, d_entropy);
    loss += s.loss;
    entropy += head_entropy;
    kl += s.approx_kl;
    clipped += s.is_clipped / static_cast<float>(heads.count);
    first += n;
  }
  if (heads.count == 0) {
    float log_prob = 0.0f;
    for (int k = 0; k < heads.num_actions; ++k) {
      log_prob += gaussian_density(action[k], output[k * stride], log_std[k]).log_prob;
      entropy += gaussian_entropy(log_std[k]);
    }
    const Surrogate s = ppo_surrogate(log_prob, *old_log_prob, advantage, rule.clip);
    const float d_log_prob = s.d_log_prob * rule.row_weight;
    for (int k = 0; k < heads.num_actions; ++k) {
      const GaussianDensity g = gaussian_density(action[k], output[k * stride], log_std[k]);
      d_output[k * stride] = d_log_prob * g.d_mean;
      terms[(kNumPpoTerms + k) * term_stride] = fma_f(d_log_prob, g.d_log_std, d_entropy);
    }
    loss = s.loss;
    kl = s.approx_kl;
    clipped = s.is_clipped;
  }
  terms[kPpoPolicyLoss * term_stride] = loss;
  terms[kPpoEntropy * term_stride] = entropy;
  terms[kPpoKl * term_stride] = kl;
  terms[kPpoClipped * term_stride] = clipped;
}

/// One row of the value network: half the squared error, and the gradient of value_weight times its
/// mean.
MBRL_HD void ppo_value_row(const PpoRule& rule, float value, float target, float& d_value,
                           float& loss) {
  const float error = value - target;
  loss = 0.5f * error * error;
  d_value = rule.value_weight * rule.row_weight * error;
}

/// One row of acting: the action of each head (or value) and its log-probabilities, given a draw of
/// (key, step, row). log_prob may be null.
MBRL_HD void ppo_act_row(const PpoHeads& heads, const float* output, int stride,
                         const float* log_std, bool stochastic, const RandomKey& key,
                         std::uint64_t step, std::uint32_t row, float* action, float* log_prob) {
  int first = 0;
  for (int h = 0; h < heads.count; ++h) {
    const int n = heads.size[h];
    const float* logits = output + first * stride;
    const float log_sum = log_sum_exp(logits, stride, n);
    int category = 0;
    if (stochastic) {
      const float u = uniform01(key.bits(step, row, static_cast<std::uint32_t>(h)).x);
      category = categorical_sample(logits, stride, n, log_sum, u);
    } else {
      category = categorical_mode(logits, stride, n);
    }
    action[h] = static_cast<float>(category);
    if (log_prob != nullptr)
      log_prob[h] = categorical_log_prob(logits, stride, n, log_sum, action[h]);
    first += n;
  }
  if (heads.count > 0) return;
  float sum = 0.0f;
  for (int k = 0; k < heads.num_actions; ++k) {
    const float mean = output[k * stride];
    action[k] = stochastic ? fma_f(exp_f(log_std[k]), normal(key, step, row, k), mean) : mean;
    sum += gaussian_density(action[k], mean, log_std[k]).log_prob;
  }
  if (log_prob != nullptr) *log_prob = sum;
}

/// What the gradient is multiplied by, so that its norm stays within the limit.
MBRL_HD float gradient_scale(double sum_of_squares, float max_gradient_norm) {
  if (max_gradient_norm <= 0.0f) return 1.0f;
  const double norm = square_root_double(sum_of_squares);
  return norm > max_gradient_norm ? static_cast<float>(max_gradient_norm / norm) : 1.0f;
}

}  // namespace mbrl
