// Stage: branched imagined rollouts (Janner et al. 2019, arXiv:1906.08253, algorithm 2).
//
//   start states from the real replay
//   per step:  policy -> action, member        (tiles of live rows)
//              rows bucketed by member         (stable counting sort)
//              chosen member -> next state, reward, end -> record in the model replay   (tiles)
//              finished rows dropped           (stable)
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "envs/tasks/task.h"
#include "kernels/data/transition.h"
#include "kernels/formulas/rollout_rows.h"
#include "kernels/networks/actor.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kRolloutStart{6};  // branching states
inline constexpr Purpose kRolloutAction{7};
inline constexpr Purpose kMemberChoice{8};
inline constexpr Purpose kModelNoise{9};
}  // namespace purpose

/// Elites that a rollout can choose from. On the CPU each row keeps its elite's position in one
/// byte; on a GPU a kernel counts the rows of each elite in turn, and a block more is launched for
/// each.
inline constexpr int kMaxElitesCpu = 256, kMaxElitesGpu = 32;

/// Throws ConfigError if rollouts on the stream's device cannot choose among `num_elites`.
void check_elites(const Stream& stream, int num_elites);

struct RolloutConstants {
  int num_rows = 100000;      // start states
  int length = 1;             // steps of each branch
  TaskId task;                // whose end rule applies, unless the model predicts ends
  EndBounds end_bounds = {};  // of the environment's spec
  std::uint32_t seed = 0;
  std::uint32_t learner = 0;
  std::uint64_t rollout_index = 0;  // number of this call in the run: part of every draw
};

struct RolloutResult {
  std::size_t num_written = 0;  // transitions, terminal ones included
  std::size_t num_terminated = 0;
  int num_steps = 0;   // steps taken; fewer than `length` when no row was left
  bool finite = true;  // every written value was finite
};

/// The arguments of rollout, as both devices take them.
struct RolloutCall {
  Stream& stream;
  const GaussianActor& policy;
  const EnsembleState& model;
  const TransitionsView& real;
  const RingView& ring;
  const RolloutConstants& constants;
};

/// The stage on one device, with its buffers.
class RolloutStage {
 public:
  virtual ~RolloutStage() = default;
  virtual RolloutResult run(const RolloutCall& call) = 0;
};

/// Buffers of the stage, made once for up to `max_rows` rows and `num_elites` elites.
///
/// Errors   ConfigError if the device cannot choose among so many elites; ShapeError if the model
///          predicts backward or no reward.
class RolloutWorkspace {
 public:
  RolloutWorkspace(Stream& stream, const GaussianActor& policy, const EnsembleState& model,
                   int max_rows, int num_elites);

  RolloutStage& stage() { return *stage_; }

 private:
  std::unique_ptr<RolloutStage> stage_;
};

/// Rolls `num_rows` branches out and writes every transition, in row order, into the ring.
///
/// Shapes   start states: uniform with replacement from `real`. Records as in TransitionLayout.
/// Units    reward and observation units of the environment; both are drawn from what the model
///          predicts, of gaussian_nll mean + sd * noise, of mse the mean.
/// Errors   ShapeError if `real` is empty or the ring is smaller than one step's rows; ConfigError
///          as check_elites says.
/// Cost     0.40 MFLOP per row and step at Hopper sizes: only the chosen elite is evaluated. The
///          elite is one uniform draw per row and step, so the distribution is that of evaluating
///          all. Deterministic for any number of threads. No allocation.
/// Source   arXiv:1906.08253; jannerm/mbpo:mbpo/models/fake_env.py.
RolloutResult rollout(Stream& stream, const GaussianActor& policy, const EnsembleState& model,
                      const TransitionsView& real, const RingView& ring,
                      const RolloutConstants& constants, RolloutWorkspace& workspace);

namespace gpu {
MBRL_GPU_ONLY std::unique_ptr<RolloutStage> make_rollout_stage(Stream& stream,
                                                               const GaussianActor& policy,
                                                               const EnsembleState& model,
                                                               int max_rows);
}  // namespace gpu

}  // namespace mbrl
