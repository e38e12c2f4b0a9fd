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
#include "kernels/networks/actor.h"
#include "kernels/stages/ensemble/ensemble_step.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kRolloutStart{6};  // branching states
inline constexpr Purpose kRolloutAction{7};
inline constexpr Purpose kMemberChoice{8};
inline constexpr Purpose kModelNoise{9};
}  // namespace purpose

/// Elites that a rollout can choose from: each row keeps its elite's position in one byte.
inline constexpr int kMaxRolloutElites = 256;

struct RolloutConstants {
  int num_rows = 100000;      // start states
  int length = 1;             // steps of each branch
  TaskId task;                // whose end rule applies
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

/// Logical step of the draws of a step: calls are far apart, steps within a call count up.
MBRL_HD std::uint64_t rollout_draw_step(std::uint64_t rollout_index, int step) {
  return rollout_index * 65536u + static_cast<std::uint64_t>(step);
}

namespace gpu {
class RolloutBuffers;
}

/// Buffers of the stage, made once for up to `max_rows` rows.
class RolloutWorkspace {
 public:
  RolloutWorkspace(Stream& stream, const GaussianActor& policy, const EnsembleState& model,
                   int max_rows);
  ~RolloutWorkspace();

 private:
  friend RolloutResult rollout(Stream&, const GaussianActor&, const EnsembleState&,
                               const TransitionsView&, const RingView&, const RolloutConstants&,
                               RolloutWorkspace&);
  std::unique_ptr<struct RolloutTiles> tiles_;
  std::shared_ptr<gpu::RolloutBuffers> gpu_;
};

/// Rolls `num_rows` branches out and writes every transition, in row order, into the ring.
///
/// Shapes   start states: uniform with replacement from `real`. Records as in TransitionLayout.
/// Units    reward and observation units of the environment; both are sampled, mean + sd * noise.
/// Errors   ShapeError if `real` is empty, the ring is smaller than one step's rows, or there are
///          more than kMaxRolloutElites elites.
/// Cost     0.40 MFLOP per row and step at Hopper sizes: only the chosen elite is evaluated. The
///          elite is one uniform draw per row and step, so the distribution is that of evaluating
///          all. Deterministic for any number of threads. No allocation.
/// Source   arXiv:1906.08253; jannerm/mbpo:mbpo/models/fake_env.py.
RolloutResult rollout(Stream& stream, const GaussianActor& policy, const EnsembleState& model,
                      const TransitionsView& real, const RingView& ring,
                      const RolloutConstants& constants, RolloutWorkspace& workspace);

namespace gpu {
MBRL_GPU_ONLY std::shared_ptr<RolloutBuffers> make_rollout_buffers(Stream& stream,
                                                                   const GaussianActor& policy,
                                                                   const EnsembleState& model,
                                                                   int max_rows);
MBRL_GPU_ONLY RolloutResult rollout(Stream& stream, const GaussianActor& policy,
                                    const EnsembleState& model, const TransitionsView& real,
                                    const RingView& ring, const RolloutConstants& constants,
                                    RolloutBuffers& buffers);
}  // namespace gpu

}  // namespace mbrl
