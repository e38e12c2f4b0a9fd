// What happens to one number of a search for actions, for both devices: draws of candidates, costs,
// moments over members and particles.
#pragma once

#include <cstdint>

#include "base/hd.h"
#include "base/rng.h"
#include "base/scalar.h"

namespace mbrl {

/// Iterations and horizon that the logical step of a draw tells apart, and elements of a candidate
/// and particles that its row and lane do.
inline constexpr int kMaxPlanIterations = 255, kMaxPlanHorizon = 4095;
inline constexpr int kMaxPlanElements = 16384, kMaxPlanParticles = 1020;

/// The longest sequence of so many actions: its coloured noise has two draws more than it has steps.
inline int longest_plan(int num_actions) {
  const int longest = kMaxPlanElements / (num_actions > 1 ? num_actions : 1) - 2;
  return longest < kMaxPlanHorizon ? longest : kMaxPlanHorizon;
}

/// Logical step of the draws of one step of a plan.
MBRL_HD std::uint64_t plan_draw_step(std::uint64_t step, int iteration, int h) {
  return step << 20 | static_cast<std::uint64_t>(iteration) << 12 | static_cast<std::uint64_t>(h);
}
/// Row of the draws of four elements of a candidate, of which `i` is one.
MBRL_HD std::uint32_t plan_candidate_row(int candidate, int i) {
  return static_cast<std::uint32_t>(candidate) << 12 | static_cast<std::uint32_t>(i) / 4;
}

/// Word `i` mod 4 of a block.
MBRL_HD std::uint32_t word_of(const Philox4& b, int i) {
  const std::uint32_t low = (i & 1) == 0 ? b.x : b.y, high = (i & 1) == 0 ? b.z : b.w;
  return (i & 2) == 0 ? low : high;
}
/// The (i mod 4)-th standard normal of a block, as normal() has it.
MBRL_HD float normal_of(const Philox4& b, int i) {
  float n0, n1;
  const bool first = (i & 2) == 0;
  normal_pair(first ? b.x : b.z, first ? b.y : b.w, n0, n1);
  return (i & 1) == 0 ? n0 : n1;
}

/// Element `i` of a candidate, standard normal.
MBRL_HD float plan_normal(const RandomKey& key, std::uint64_t draw_step, int candidate, int i) {
  return normal_of(key.bits(draw_step, plan_candidate_row(candidate, i)), i);
}
/// Element `i` of a candidate, uniform in [-1, 1).
MBRL_HD float plan_uniform(const RandomKey& key, std::uint64_t draw_step, int candidate, int i) {
  const Philox4 b = key.bits(draw_step, plan_candidate_row(candidate, i));
  return fma_f(2.0f, uniform01(word_of(b, i)), -1.0f);
}
/// Element `i` of a candidate, normal within two standard deviations: drawn anew until it is.
MBRL_HD float truncated_normal(const RandomKey& key, std::uint64_t draw_step, int candidate,
                               int i) {
  const std::uint32_t row = plan_candidate_row(candidate, i);
  // 5 % are drawn a second time; that 256 draws fail has a chance of 1e-343
  for (std::uint32_t lane = 0; lane < 256; ++lane) {
    const float x = normal_of(key.bits(draw_step, row, lane), i);
    if (absolute(x) <= 2.0f) return x;
  }
  return 0.0f;
}

/// Standard deviation of a candidate's element: two of them reach no farther than the nearer bound
/// of [-1, 1].
MBRL_HD float limited_deviation(float mean, float variance) {
  const float low = 0.5f * (mean + 1.0f), high = 0.5f * (1.0f - mean);
  return square_root(min_f(variance, min_f(low * low, high * high)));
}

/// What a particle's cost counts as: NaN and infinities are dear.
MBRL_HD float counted_cost(float cost) { return cost - cost == 0.0f ? cost : 1e6f; }

/// Whether candidate `i` comes before `j`: the cheaper one, of equals the first.
MBRL_HD bool is_better(float cost_i, int i, float cost_j, int j) {
  return cost_i < cost_j || (cost_i == cost_j && i < j);
}

/// Candidates that iteration `iteration` of iCEM draws.
MBRL_HD int icem_population(int population, int num_elites, float shrink, int iteration) {
  const int least = 2 * num_elites < population ? 2 * num_elites : population;
  int size = population;
  for (int i = 0; i < iteration && size > least; ++i) {
    size = static_cast<int>(static_cast<float>(size) / shrink);
    if (size < least) size = least;
  }
  return size;
}

/// Mean, spread and variance of what members predict of one number, member by member (Welford).
struct Mixture {
  float mean = 0.0f, spread = 0.0f, variance = 0.0f;

  /// `count`: members with this one.
  MBRL_HD void add(float prediction, float deviation, int count) {
    const float difference = prediction - mean;
    mean = mean + difference / static_cast<float>(count);
    spread = fma_f(difference, prediction - mean, spread);
    variance = fma_f(deviation, deviation, variance);
  }
  /// Standard deviation of the mixture of `count` members: variance of their means and mean of
  /// their variances.
  MBRL_HD float deviation(int count) const {
    return square_root((spread + variance) / static_cast<float>(count));
  }
};

/// Numbers of a sequence of T steps of coloured noise, for each frequency k <= T / 2 its two parts.
MBRL_HD int num_frequencies(int length) { return length / 2 + 1; }
/// Part `part` (real, imaginary) of frequency `k` of action `a` of a candidate, standard normal.
MBRL_HD float plan_frequency(const RandomKey& key, std::uint64_t draw_step, int candidate, int a,
                             int k, int part, int length) {
  return plan_normal(key, draw_step, candidate, 2 * (a * num_frequencies(length) + k) + part);
}

/// Tables that turn frequencies into noise: scale [T / 2 + 1] of each, cosine and sine [T] of t / T
/// turns.
struct ColorTable {
  const float *scale, *cosine, *sine;

  /// Step `t` of the sequence that the frequencies [T / 2 + 1, 2] make up.
  MBRL_HD float value(const float* frequencies, int t, int length) const {
    float sum = 0.0f;
    for (int k = 0; k < num_frequencies(length); ++k) {
      const int turn = k * t % length;
      const bool real = k == 0 || 2 * k == length;
      const float wave =
          real ? frequencies[2 * k] * cosine[turn]
               : fma_f(frequencies[2 * k], cosine[turn], -(frequencies[2 * k + 1] * sine[turn]));
      sum = fma_f(scale[k], wave, sum);
    }
    return sum;
  }
};

/// Fills the tables of sequences of `length` steps whose power falls with frequency^-color; white
/// noise has color 0 (Timmer and Koenig 1995, as felixpatzelt/colorednoise 2 has it).
inline void make_color_table(int length, float color, float* scale, float* cosine, float* sine) {
  const auto T = static_cast<float>(length);
  for (int t = 0; t < length; ++t) sincos_turns(static_cast<float>(t) / T, sine[t], cosine[t]);
  float sum = 0.0f;
  for (int k = 0; k < num_frequencies(length); ++k) {
    // as a share of the lowest frequency's, so that no color leaves the range of a float
    scale[k] = exp_f(-0.5f * color * log_positive(static_cast<float>(k > 0 ? k : 1)));
    const float w = 2 * k == length ? 0.5f * scale[k] : scale[k];
    if (k > 0) sum = fma_f(w, w, sum);
  }
  // one step alone has no frequency but 0
  const float deviation = length > 1 ? 2.0f * square_root(sum) : 1.414213562f * scale[0];
  for (int k = 0; k < num_frequencies(length); ++k)
    scale[k] *= (k == 0 || 2 * k == length ? 1.414213562f : 2.0f) / deviation;
}

}  // namespace mbrl
