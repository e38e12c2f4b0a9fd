// Stage: one gradient step of every member of the probabilistic ensemble, and the holdout sweep.
//
//   per (member, tile):  gather rows -> scale -> forward -> Gaussian NLL -> backward
//   per (member, block): weight gradients + decay -> Adam
//   once:                log-variance bounds
//
// Targets are [reward, next_observation - observation], reward first, unscaled.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/tile_mlp.h"
#include "kernels/transition.h"

namespace mbrl {

/// Everything training changes, kept from fit to fit.
struct EnsembleState {
  int ensemble_size;      // E
  TransitionLayout data;  // S, A
  MlpLayout layout;       // of one member: S + A -> hidden ... -> 2 (1 + S): mean, raw log-variance
  TrainedParameters members;        // [E, layout.size]
  TrainedParameters logvar_bounds;  // [2, padded(D)]: maximum, minimum; shared by all members
  std::int64_t num_steps = 0;       // Adam steps
  Buffer<float> input_mean, input_inv_std;  // [S + A]
  std::vector<int> elites;                  // members used for prediction, best first

  EnsembleState(int ensemble_size, TransitionLayout data, int hidden_size, int num_hidden_layers);

  /// D = 1 + S: reward and change of the observation.
  int num_outputs() const { return 1 + data.observation_size; }
  int num_inputs() const { return data.observation_size + data.action_size; }
  float* member(int e) { return members.value.data() + e * layout.size; }
  const float* member(int e) const { return members.value.data() + e * layout.size; }
  float* max_logvar() { return logvar_bounds.value.data(); }
  float* min_logvar() { return logvar_bounds.value.data() + padded(num_outputs()); }
  const float* max_logvar() const { return logvar_bounds.value.data(); }
  const float* min_logvar() const { return logvar_bounds.value.data() + padded(num_outputs()); }
};

/// Truncated-normal weights, zero biases, the given bounds, moments zero, identity scaler.
void init_ensemble(EnsembleState& state, std::uint32_t seed, std::uint32_t learner,
                   float init_max_logvar, float init_min_logvar);

struct EnsembleConstants {
  AdamConstants adam{1e-3f};
  std::vector<float> weight_decay;  // per layer; gradient decay * W
  float logvar_penalty = 0.01f;     // loss += penalty (sum max_logvar - sum min_logvar)
};

/// Buffers of the stage, made once for batches of up to `batch_size` rows.
class EnsembleWorkspace {
 public:
  EnsembleWorkspace(const EnsembleState& state, int batch_size, int num_threads);

 private:
  friend float ensemble_step(Stream&, EnsembleState&, const TransitionsView&,
                             std::span<const std::uint32_t* const>, int, const EnsembleConstants&,
                             EnsembleWorkspace&);
  friend void ensemble_holdout_mse(Stream&, const EnsembleState&, const TransitionsView&,
                                   std::span<const std::uint32_t>, std::span<double>,
                                   EnsembleWorkspace&);

  int num_tiles_;
  std::vector<TileMlp> training_;  // per member, a workspace per tile
  TileMlp inference_;              // per thread
  Buffer<float> scratch_;          // per thread
  Buffer<float> bound_gradient_;   // [E * tiles, 2, padded(D)]
  std::vector<double> partial_;    // per (member, tile)
};

/// Fills one tile of a member's input [S + A, 32] from records, scaled: row `lane` is
/// records[indices[lane]]; lanes from `rows` on repeat the last row.
void gather_model_input(const EnsembleState& state, const TransitionsView& data,
                        const std::uint32_t* indices, int rows, float* x);

/// One Adam step of all members; returns the loss before it, without decay and penalty.
///
/// Shapes   member e trains on data rows indices[e][0 .. batch_size).
/// Units    loss: sum over members of the mean over rows and outputs of (mu - y)^2 / var + ln var.
/// Errors   DataError naming the step if the loss is not finite.
/// Cost     1.36 GFLOP at Hopper sizes (7 members, 4 x 200, batch 256). Deterministic for any
/// number of
///          threads. No allocation.
/// Source   Chua et al. 2018, arXiv:1805.12114, eq. 1; bounds: its appendix A.1; constants
///          jannerm/mbpo:mbpo/models/bnn.py.
float ensemble_step(Stream& stream, EnsembleState& state, const TransitionsView& data,
                    std::span<const std::uint32_t* const> indices, int batch_size,
                    const EnsembleConstants& constants, EnsembleWorkspace& workspace);

/// Mean squared error of each member's mean on the given rows, in raw target units.
///
/// Shapes   mse: [E].
/// Cost     two products of 0.25 MFLOP per row and member. Deterministic.
void ensemble_holdout_mse(Stream& stream, const EnsembleState& state, const TransitionsView& data,
                          std::span<const std::uint32_t> indices, std::span<double> mse,
                          EnsembleWorkspace& workspace);

}  // namespace mbrl
