// What both devices know of a search for one observation: its constants and its draws.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "base/hd.h"
#include "envs/tasks/planner.h"
#include "kernels/formulas/plan_rows.h"
#include "kernels/stages/plan/plan.h"

namespace mbrl {

/// Constants of a problem as its searches read them. Plain data: kernels read it from memory.
struct PlanRule {
  PlanMethod method;
  Propagation propagation;
  TaskId task;
  int population, num_elites, iterations, horizon, keep;
  int particles;   // rows of a candidate: of kE one
  int members;     // that predict
  int per_member;  // particles of a candidate that a member predicts, where they are dealt
  int action_size;
  float alpha, min_variance, scale, temperature, noise, shrink;
  std::uint32_t seed, learner;

  /// Numbers of a candidate: [H, A].
  MBRL_HD int elements() const { return horizon * action_size; }
  /// Whether each particle is predicted by one member alone.
  MBRL_HD bool deals() const {
    return propagation == Propagation::kTsInf || propagation == Propagation::kTs1;
  }
  /// Whether what a particle's member predicts next is its own alone for the whole horizon.
  MBRL_HD bool splits() const { return propagation == Propagation::kTsInf; }
  MBRL_HD int num_iterations() const { return method == PlanMethod::kRandom ? 1 : iterations; }
  /// Candidates that iteration `iteration` draws.
  MBRL_HD int num_drawn(int iteration) const {
    return method == PlanMethod::kIcem ? icem_population(population, num_elites, shrink, iteration)
                                       : population;
  }
  MBRL_HD RandomKey key(Purpose purpose) const { return {seed, purpose, learner}; }

  /// Whether a search ends before an iteration because no variance is large.
  MBRL_HD bool stops_early() const {
    return method == PlanMethod::kCem || method == PlanMethod::kIcem;
  }
  MBRL_HD bool is_small(float variance) const { return variance * scale * scale <= min_variance; }
  /// Of a candidate's element, given the search's mean and variance.
  MBRL_HD float deviation(float mean, float variance) const {
    if (method == PlanMethod::kCem) return limited_deviation(mean, variance);
    return method == PlanMethod::kMppi ? noise : square_root(variance);
  }
  /// Element `i` of a candidate of any method but kIcem.
  MBRL_HD float draw(std::uint64_t draw_step, int candidate, int i, float mean,
                     float standard_deviation) const {
    const RandomKey draws = key(purpose::kPlanCandidate);
    if (method == PlanMethod::kRandom) return plan_uniform(draws, draw_step, candidate, i);
    // of kCem for the last bit: it cannot leave the bounds by more
    const float noise_value = method == PlanMethod::kCem
                                  ? truncated_normal(draws, draw_step, candidate, i)
                                  : plan_normal(draws, draw_step, candidate, i);
    return clamp_f(fma_f(standard_deviation, noise_value, mean), -1.0f, 1.0f);
  }
  /// The same of kIcem, whose noise is coloured.
  MBRL_HD float colored(float noise_value, float mean, float standard_deviation) const {
    return clamp_f(fma_f(standard_deviation, noise_value, mean), -1.0f, 1.0f);
  }

  /// Old and new value of a mean or variance, smoothed.
  MBRL_HD float smoothed(float before, float now) const {
    return fma_f(alpha, before, (1.0f - alpha) * now);
  }
  /// The variance that follows: kIcem smooths the standard deviation.
  MBRL_HD float smoothed_variance(float before, float now) const {
    if (method != PlanMethod::kIcem) return smoothed(before, now);
    const float deviation_now = smoothed(square_root(before), square_root(now));
    return deviation_now * deviation_now;
  }
  /// What perturbing a plan's element costs beside what the task does, of kMppi.
  MBRL_HD float perturbation(float mean, float element) const {
    return temperature * mean * (element - mean) / (noise * noise);
  }
};

/// Initial variance of each element: (upper - lower)^2 / 16.
inline constexpr float kPlanVariance = 0.25f;

/// Deals the particles of a candidate anew: order[slot] becomes the particle in that slot, each
/// order equally likely (Fisher and Yates). order[i] is i before.
template <typename Index>
MBRL_HD void deal_particles(const RandomKey& key, std::uint64_t draw_step, int candidate,
                            int particles, Index* order) {
  Philox4 bits{};
  for (int i = particles - 1; i > 0; --i) {
    if (i == particles - 1 || i % 4 == 3)
      bits = key.bits(draw_step, static_cast<std::uint32_t>(candidate),
                      static_cast<std::uint32_t>(i) / 4);
    const auto j =
        static_cast<int>(uniform_index(word_of(bits, i), static_cast<std::uint32_t>(i) + 1));
    const Index last = order[i];
    order[i] = order[j];
    order[j] = last;
  }
}

/// Row of a particle's draws.
MBRL_HD std::uint32_t particle_row(const PlanRule& rule, int candidate, int particle) {
  return static_cast<std::uint32_t>(candidate * rule.particles + particle);
}
/// Block of the normals that a candidate's particles are drawn anew with (kMm), of four targets.
inline constexpr std::uint32_t kMomentBlock = 128;

inline PlanRule make_plan_rule(const PlanProblem& problem) {
  const PlanConstants& c = problem.constants;
  PlanRule rule{};
  rule.method = c.method;
  rule.propagation = c.propagation;
  rule.task = problem.task;
  rule.population = c.population;
  rule.num_elites = c.num_elites;
  rule.iterations = c.iterations;
  rule.horizon = c.horizon;
  rule.keep = std::min(kMaxKeptElites, static_cast<int>(c.keep * static_cast<float>(c.num_elites)));
  rule.particles = c.propagation == Propagation::kE ? 1 : c.particles;
  rule.members = static_cast<int>(problem.model.elites.size());
  rule.per_member = rule.particles / rule.members;
  rule.action_size = problem.model.data.action_size;
  rule.alpha = c.alpha;
  rule.min_variance = c.min_variance;
  rule.scale = action_scale(problem.task);
  rule.temperature = c.temperature;
  rule.noise = c.noise;
  rule.shrink = c.shrink;
  rule.seed = c.seed;
  rule.learner = c.learner;
  return rule;
}

/// The stage on the CPU.
std::unique_ptr<PlanStage> make_plan_tiles(Stream& stream, const EnsembleState& model,
                                           const PlanLimits& limits, int num_problems);

}  // namespace mbrl
