// Stage: one gradient step of every member of the ensemble, and the holdout sweep.
//
//   per (member, tile):  gather rows -> scale -> forward -> loss -> backward
//   per (member, block): weight gradients + decay -> Adam
//   once:                what the loss learns for all members, such as log-variance bounds
//
// Loss and maps are those of the EnsembleState. Targets are unscaled.
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
#include "kernels/formulas/end_head.h"
#include "kernels/gpu/product.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {

struct EnsembleConstants {
  AdamConstants adam{1e-3f};
  std::vector<float> weight_decay;  // per layer; gradient decay * W
  float logvar_penalty = 0.01f;     // loss += penalty (sum max_logvar - sum min_logvar)
  EndWeights end_weights = {};      // of a model that predicts the logit of an end
};

/// What the steps of an epoch did.
struct EnsembleEpoch {
  std::int64_t steps = 0;
  float loss = 0.0f;  // before the last step, without decay and penalty
  bool stopped = false;
};

/// The arguments of ensemble_epoch and ensemble_holdout_mse, as both devices take them.
struct EpochCall {
  Stream& stream;
  EnsembleState& state;
  const TransitionsView& data;
  Matrix<const std::uint32_t> rows;
  int batch_size;
  const EnsembleConstants& constants;
  const std::function<bool()>& should_stop;
};
struct HoldoutCall {
  Stream& stream;
  const EnsembleState& state;
  const TransitionsView& data;
  Vector<const std::uint32_t> indices;
  std::span<double> mse;
  Matrix<float> end_logit;
};

/// The stage on one device, with its buffers.
class EnsembleStage {
 public:
  virtual ~EnsembleStage() = default;
  virtual EnsembleEpoch epoch(const EpochCall& call) = 0;
  virtual void holdout_mse(const HoldoutCall& call) = 0;
};

/// Buffers of the stage, made once for batches of up to `batch_size` rows.
class EnsembleWorkspace {
 public:
  /// gemm: whose products on a GPU.
  EnsembleWorkspace(Stream& stream, const EnsembleState& state, int batch_size,
                    const Gemm& gemm = {});

  EnsembleStage& stage() { return *stage_; }

 private:
  std::unique_ptr<EnsembleStage> stage_;
};

/// One Adam step of all members after the other, until every row has been used once.
///
/// Shapes   rows: [E, N], indices into data; step i of member e trains on batch_size entries from
///          rows[e][i batch_size] on, the last step on what is left. In the stream's memory, as data
///          and state.
/// Units    loss: sum over members of the mean over rows and targets, of gaussian_nll of
///          (mu - y)^2 / var + ln var, of mse of (mu - y)^2; of a logit as in end_head.h.
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

/// Mean squared error of each member's predictions on the given rows, in raw target units, without
/// the logit of an end; and these logits where the model has them and they are asked for.
///
/// Shapes   mse: [E], on the host; indices [N] and end_logit [E, N] in the stream's memory.
/// Errors   ShapeError if logits are asked of a model without them, or in another shape.
/// Cost     two products of 0.25 MFLOP per row and member. Deterministic. Waits for the device.
void ensemble_holdout_mse(Stream& stream, const EnsembleState& state, const TransitionsView& data,
                          Vector<const std::uint32_t> indices, std::span<double> mse,
                          EnsembleWorkspace& workspace, Matrix<float> end_logit = {});

/// Throws the DivergedError of a loss that is not finite before step `step`: that of one member, or
/// of all where only their sum is known, as on a GPU.
void check_ensemble_loss(double loss, std::int64_t step, int member = -1);

namespace gpu {
MBRL_GPU_ONLY std::unique_ptr<EnsembleStage> make_ensemble_stage(Stream& stream,
                                                                 const EnsembleState& state,
                                                                 int batch_size, const Gemm& gemm);
}  // namespace gpu

}  // namespace mbrl
