// Stage: one soft actor-critic update (Haarnoja et al. 2018, arXiv:1812.05905) with twin critics.
//
//   per tile:   gather rows -> actor on s' and s -> targets y -> critics -> critic gradients
//   per block:  critic weight gradients -> Adam -> target averaging
//   per tile:   critics on (s, a_pi) -> minimum -> gradient to the action -> actor gradients
//   per block:  actor weight gradients -> Adam; temperature
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/rng.h"
#include "cuda/stream.h"
#include "kernels/tile_mlp.h"
#include "kernels/transition.h"

namespace mbrl {

/// Everything an update changes.
struct SacState {
  MlpLayout actor_layout;   // S -> hidden -> 2A: mean, raw log standard deviation
  MlpLayout critic_layout;  // S + A -> hidden -> 1
  TrainedParameters actor;
  TrainedParameters critic[2];
  Buffer<float> target[2];      // averaged critics
  TrainedParameters log_alpha;  // 1 value: log of the temperature, in reward units per nat
  std::int64_t num_updates = 0;

  SacState(int observation_size, int action_size, const std::vector<int>& hidden_sizes);
};

/// Glorot-uniform weights, zero biases, targets equal to the critics, moments zero.
void init_sac(SacState& state, std::uint32_t seed, std::uint32_t learner, float init_alpha);

/// Where the rows of a batch come from: the first num_real from `real`, the others from `imagined`,
/// each uniform with replacement.
struct MixedSource {
  TransitionsView real, imagined;
  int num_real = 0;
};

struct SacConstants {
  int batch_size = 256;
  float discount = 0.99f;
  float tau = 0.005f;
  float target_entropy = -1.0f;  // nats
  AdamConstants adam{3e-4f};
  bool simultaneous = false;  // actor gradient from the critics before their update
  std::uint32_t seed = 0;
  std::uint32_t learner = 0;
};

/// What an update measured, before its parameter steps.
struct SacLosses {
  float critic_loss[2];  // 0.5 mean squared TD error, reward units squared
  float actor_loss;      // reward units
  float alpha;           // reward units per nat
  float entropy;         // -mean log pi, nats
  float mean_q;          // mean of the first critic on the batch
};

/// Buffers of the update, made once.
class SacWorkspace {
 public:
  SacWorkspace(const SacState& state, int batch_size, int num_threads);

 private:
  friend SacLosses sac_update(Stream&, SacState&, const MixedSource&, const SacConstants&,
                              SacWorkspace&);
  friend class SacUpdate;

  int num_tiles_;
  TileMlp actor_next_;                          // per thread: actor on s'
  TileMlp actor_;                               // per tile: actor on s
  TileMlp target_;                              // per thread
  std::vector<TileMlp> critic_;                 // per tile, two
  std::vector<TileMlp> critic_pi_;              // per thread, two: critics on (s, a_pi)
  Buffer<float> action_noise_;                  // [tile][A, 32] of the actor loss
  Buffer<float> log_prob_;                      // [tile][32]
  Buffer<float> scratch_;                       // per thread
  std::vector<Buffer<float>> action_gradient_;  // per thread, two: dQ / d(s, a)
  std::vector<double> partial_;                 // sums per tile, added in tile order
};

/// One update of critics, actor, temperature and targets.
///
/// Shapes   batch rows from `source`; all parameters in `state`.
/// Units    losses in reward units; temperature in reward units per nat.
/// Errors   DataError naming the loss and the update if one is not finite; ShapeError if a source
/// that
///          must give rows is empty.
/// Cost     0.56 GFLOP at Hopper sizes (S 11, A 3, 256 x 256, batch 256). Deterministic for any
/// number
///          of threads. No allocation.
/// Source   arXiv:1812.05905 eqs. 5, 6, 9, 18; twin minimum arXiv:1802.09477. Critic loss is half
/// the
///          mean squared error; the temperature's loss is -log_alpha (log pi + target_entropy).
SacLosses sac_update(Stream& stream, SacState& state, const MixedSource& source,
                     const SacConstants& constants, SacWorkspace& workspace);

}  // namespace mbrl
