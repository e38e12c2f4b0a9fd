// Stage: one gradient step of every member of the probabilistic ensemble, and the holdout sweep.
//
//   per (member, tile):  gather rows -> scale -> forward -> Gaussian NLL -> backward
//   per (member, block): weight gradients + decay -> Adam
//   once:                log-variance bounds
//
// Targets are [reward, next_observation - observation], reward first, unscaled.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/data/transition.h"
#include "kernels/formulas/adam.h"
#include "kernels/formulas/gaussian_nll.h"
#include "kernels/gpu/product.h"
#include "kernels/networks/mlp_layout.h"
#include "kernels/networks/parameters.h"

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

  EnsembleState(int ensemble_size, TransitionLayout data, int hidden_size, int num_hidden_layers,
                Memory memory = Memory::kHost);

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

/// Target `i` of a record: the reward, then the change of each observation entry.
MBRL_HD float model_target(const float* record, const TransitionLayout& layout, int i) {
  if (i == 0) return record[layout.reward()];
  return record[layout.next_observation() + i - 1] - record[i - 1];
}

namespace gpu {
class EnsembleBuffers;
}

/// Buffers of the stage, made once for batches of up to `batch_size` rows.
class EnsembleWorkspace {
 public:
  /// gemm: whose products on a GPU.
  EnsembleWorkspace(Stream& stream, const EnsembleState& state, int batch_size,
                    const Gemm& gemm = {});
  ~EnsembleWorkspace();

 private:
  friend struct EnsembleEpoch ensemble_epoch(Stream&, EnsembleState&, const TransitionsView&,
                                             Matrix<const std::uint32_t>, int,
                                             const EnsembleConstants&, EnsembleWorkspace&,
                                             const std::function<bool()>&);
  friend void ensemble_holdout_mse(Stream&, const EnsembleState&, const TransitionsView&,
                                   Vector<const std::uint32_t>, std::span<double>,
                                   EnsembleWorkspace&);
  std::unique_ptr<struct EnsembleTiles> tiles_;
  std::shared_ptr<gpu::EnsembleBuffers> gpu_;
};

/// What the steps of an epoch did.
struct EnsembleEpoch {
  std::int64_t steps = 0;
  float loss = 0.0f;  // before the last step, without decay and penalty
  bool stopped = false;
};

/// One Adam step of all members after the other, until every row has been used once.
///
/// Shapes   rows: [E, N], indices into data; step i of member e trains on rows[e][i batch_size
/// ...),
///          the last step on what is left. In the stream's memory, as data and state.
/// Units    loss: sum over members of the mean over rows and outputs of (mu - y)^2 / var + ln var.
/// Errors   DivergedError naming the step, and on the CPU the member, if a loss is not finite.
/// Cost     1.36 GFLOP per step at Hopper sizes (7 members, 4 x 200, batch 256). Deterministic for
///          any number of threads. No allocation. should_stop() is asked before each step, on a GPU
///          before each graph of 16 steps; once it says yes the epoch ends there.
/// Source   Chua et al. 2018, arXiv:1805.12114, eq. 1; bounds: its appendix A.1; constants
///          jannerm/mbpo:mbpo/models/bnn.py.
EnsembleEpoch ensemble_epoch(
    Stream& stream, EnsembleState& state, const TransitionsView& data,
    Matrix<const std::uint32_t> rows, int batch_size, const EnsembleConstants& constants,
    EnsembleWorkspace& workspace, const std::function<bool()>& should_stop = [] { return false; });

/// Mean squared error of each member's mean on the given rows, in raw target units.
///
/// Shapes   mse: [E], on the host; indices in the stream's memory.
/// Cost     two products of 0.25 MFLOP per row and member. Deterministic. Waits for the device.
void ensemble_holdout_mse(Stream& stream, const EnsembleState& state, const TransitionsView& data,
                          Vector<const std::uint32_t> indices, std::span<double> mse,
                          EnsembleWorkspace& workspace);

namespace gpu {
MBRL_GPU_ONLY std::shared_ptr<EnsembleBuffers> make_ensemble_buffers(Stream& stream,
                                                                     const EnsembleState& state,
                                                                     int batch_size,
                                                                     const Gemm& gemm);
MBRL_GPU_ONLY EnsembleEpoch ensemble_epoch(Stream& stream, EnsembleState& state,
                                           const TransitionsView& data,
                                           Matrix<const std::uint32_t> rows, int batch_size,
                                           const EnsembleConstants& constants,
                                           EnsembleBuffers& buffers,
                                           const std::function<bool()>& should_stop);
MBRL_GPU_ONLY void ensemble_holdout_mse(Stream& stream, const EnsembleState& state,
                                        const TransitionsView& data,
                                        Vector<const std::uint32_t> indices, std::span<double> mse,
                                        EnsembleBuffers& buffers);
}  // namespace gpu

/// Throws the DivergedError of a loss that is not finite before step `step`: that of one member, or
/// of all where only their sum is known, as on a GPU.
void check_ensemble_loss(double loss, std::int64_t step, int member = -1);

}  // namespace mbrl
