// Stage: planning by imagined rollouts of action sequences, one search per observation (Chua et al.
// 2018, arXiv:1805.12114, algorithm 1).
//
//   per iteration:  mean, variance -> candidates    (truncated normal, coloured noise, uniform)
//                   candidate x particle -> ensemble, horizon times -> cost    (tiles of rows)
//                   costs -> best candidates -> mean, variance
//   once:           first action of the final mean; the mean is kept for the next control step
//
// Several problems are solved in one call: environments of one learner, and members of a
// population, each with weights and constants of its own. What one gives does not depend on the
// others.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/rng.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "envs/tasks/planner.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kPlanCandidate{15};  // action sequences
inline constexpr Purpose kPlanParticle{16};   // particles' members in a step
inline constexpr Purpose kPlanNoise{17};      // of the model's predictions
}  // namespace purpose

/// How a search goes on from one iteration to the next.
enum class PlanMethod {
  kCem,     // cross-entropy method, as in PETS
  kRandom,  // random shooting: one iteration of uniform candidates, the best one's first action
  kMppi,    // path integral: candidates weighted by exp(-cost / temperature)
  kIcem,    // CEM with coloured noise, kept elites and a shrinking population
};

/// Which member predicts which particle of a candidate.
enum class Propagation {
  kTsInf,  // the same member for the whole horizon
  kTs1,    // dealt anew before each step, as many particles to each member
  kE,      // one particle, the mean of all members' means
  kDs,     // every particle through all members, a draw of their mixture's first two moments
  kMm,     // as kDs; then the particles of a candidate are drawn anew from their own two moments
};

/// A search. All of it may change from call to call, up to the workspace's PlanLimits.
struct PlanConstants {
  PlanMethod method = PlanMethod::kCem;
  Propagation propagation = Propagation::kTsInf;
  int population = 500;  // candidates of an iteration; of kRandom all there are
  int num_elites = 50;   // K
  int iterations = 5;    // I
  int horizon = 30;      // H
  int particles = 20;    // P of each candidate; kE: not read
  float alpha = 0.1f;    // share of the old mean and variance that stays
  float min_variance =
      0.001f;                // the search ends where no variance is larger, in the control's unit
  float temperature = 1.0f;  // kMppi: of the costs
  float noise = 0.5f;        // kMppi: standard deviation of the candidates, normalized actions
  float color = 2.0f;        // kIcem: exponent of the noise's spectrum over time
  float keep = 0.3f;         // kIcem: share of the elites that the next iteration sees again
  float shrink = 1.25f;      // kIcem: population of iteration i is divided by shrink^i
  std::uint32_t seed = 0, learner = 0;
};

/// Elites that kIcem hands on from one control step to the next, at the most.
inline constexpr int kMaxKeptElites = 64;
/// Entries of an observation and of an action, and members that predict, at the most.
inline constexpr int kMaxPlannedState = 64, kMaxPlannedActions = 32, kMaxPlanMembers = 32;

/// The most that constants may ask for.
struct PlanLimits {
  int observations = 1;  // N of a problem
  int population = 500, horizon = 30, particles = 20;
};

/// What a planner keeps from one control step to the next, in the stream's memory.
struct PlanState {
  int observations, horizon, action_size;  // the limits it was made for
  Buffer<float> mean;                      // [N, horizon, A]: where the next search starts
  Buffer<float> elites;                    // [N, kMaxKeptElites, horizon, A] of kIcem, best first
  Buffer<int> num_kept;                    // [N]

  PlanState(Stream& stream, const PlanLimits& limits, int action_size);
  /// A new episode of observation `n`: zero means, no elites.
  void reset(Stream& stream, int n);
};

/// One learner's share of a call.
struct PlanProblem {
  const EnsembleState& model;
  TaskId task;
  const PlanConstants& constants;
  PlanState& state;
  Matrix<const float> observation;  // [n, S] on the host, n <= limits.observations
  Matrix<float> action;             // [n, A] on the host: the first actions, in [-1, 1]
  // number of each observation's control step in the run, below 2^44: part of every draw, so that
  // no two observations of a learner may have the same
  std::span<const std::uint64_t> step;  // [n]
};

/// What a search has come to, for tests, metrics and figures.
struct PlanReport {
  float best_cost = 0.0f;  // of all candidates of the first observation
  float mean_cost = 0.0f;  // of the last iteration's candidates
  int iterations = 0;      // until no variance was large
};

/// The arguments of plan, as both devices take them.
struct PlanCall {
  Stream& stream;
  std::span<const PlanProblem> problems;
  std::span<PlanReport> reports;  // one per problem, or none
};

/// The stage on one device, with its buffers.
class PlanStage {
 public:
  virtual ~PlanStage() = default;
  virtual void run(const PlanCall& call) = 0;
  /// Memory of its buffers.
  virtual std::size_t bytes() const = 0;
};

/// Buffers of the stage, made once for up to `num_problems` problems of the shape of `model`.
///
/// Errors   ShapeError if the model predicts backward, a reward or an end; ConfigError if plans of
///          the longest horizon have more numbers than draws tell apart.
class PlanWorkspace {
 public:
  PlanWorkspace(Stream& stream, const EnsembleState& model, const PlanLimits& limits,
                int num_problems = 1);

  PlanStage& stage() { return *stage_; }
  const PlanLimits& limits() const { return limits_; }
  int num_problems() const { return num_problems_; }
  /// Throws what plan() says it does.
  void check(const PlanProblem& problem) const;

 private:
  PlanLimits limits_;
  int num_problems_;
  TransitionLayout layout_;
  MlpLayout member_;
  int ensemble_size_;
  std::unique_ptr<PlanStage> stage_;
};

/// Throws ConfigError naming the key if constants ask for more than limits, for particles that
/// cannot be dealt to the members evenly, or for what no search can do. num_members: those that
/// predict (EnsembleState::elites).
void check_plan(const PlanConstants& constants, const PlanLimits& limits, int num_members);

/// One control step of every problem: searches from the kept mean, writes the first action, shifts
/// the mean by a step and appends zeros (kIcem repeats the last action; kRandom keeps nothing).
///
/// What is executed: of kCem and kMppi the final mean's first action, of kRandom the best
/// candidate's, of kIcem that of the last iteration's best.
///
/// Shapes   as in PlanProblem.
/// Units    normalized actions; costs of envs/tasks/planner.h, summed over the horizon, averaged
///          over particles; one that is not finite counts as 1e6.
/// Errors   ConfigError as check_plan, or if the task has no planner cost; ShapeError if an
///          observation is not finite or a problem is not what the workspace was made for.
/// Cost     N x I x population x particles x horizon rows of one member each (of all members for
///          kDs and kMm; of all with one particle for kE): 0.40 TFLOP for HalfCheetah as published.
///          Deterministic for any number of threads. No allocation. On a GPU one graph launch and
///          one wait.
/// Source   arXiv:1805.12114; kchua/handful-of-trials:dmbrl/{controllers/MPC,misc/optimizers}.
///          kMppi: Williams et al. 2017, in the form of pytorch_mppi. kIcem: Pinneri et al. 2020,
///          arXiv:2008.06389.
void plan(Stream& stream, std::span<const PlanProblem> problems, PlanWorkspace& workspace,
          std::span<PlanReport> reports = {});

namespace gpu {
MBRL_GPU_ONLY std::unique_ptr<PlanStage> make_plan_stage(Stream& stream, const EnsembleState& model,
                                                         const PlanLimits& limits,
                                                         int num_problems);
}  // namespace gpu

}  // namespace mbrl
