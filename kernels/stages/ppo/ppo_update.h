// Stage: proximal policy optimization (Schulman et al. 2017, arXiv:1707.06347) of small tanh
// networks: acting, and updates on chosen rows of a batch.
//
//   per tile:   gather rows -> policy -> surrogate, entropy -> policy gradients
//               gather rows -> value net -> squared error -> value gradients
//   per block:  weight gradients; losses
//   all:        norm of the gradient -> Adam
//
// Networks of this stage are small and few rows act at a time: products are fp32 in every
// precision.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/rng.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/formulas/adam.h"
#include "kernels/formulas/ppo_rows.h"
#include "kernels/networks/initialize.h"
#include "kernels/networks/mlp_layout.h"
#include "kernels/networks/parameters.h"

namespace mbrl {

/// What the policy gives out: a category per head, or (heads empty) `action_size` values of a
/// Gaussian whose log standard deviations do not depend on the observation.
struct PpoShape {
  int observation_size;
  std::vector<int> hidden_sizes;
  std::vector<int> heads;  // number of categories of each
  int action_size = 0;
  bool value = false;  // a value network of the same widths beside the policy

  /// Columns of an action: one per head, or action_size.
  int num_actions() const;
  /// Columns of a log-probability: one per head, or 1 for the Gaussian.
  int num_log_probs() const;
};

/// Everything an update changes.
struct PpoState {
  PpoShape shape;
  MlpLayout policy_layout;  // S -> hidden -> logits of all heads, or means
  MlpLayout value_layout;   // S -> hidden -> 1; no layer without a value network
  TrainedParameters policy;
  TrainedParameters log_std;  // [action_size] of the Gaussian, in nats; empty with heads
  TrainedParameters value;
  std::int64_t num_updates = 0;

  /// Errors   ShapeError if the shape has both heads and action_size or none of them, a head of no
  ///          category, or more than kMaxPpoHeads heads.
  explicit PpoState(PpoShape shape, Memory memory = Memory::kHost);
};

/// Glorot-uniform weights by `key`, zero biases, log_std 0, moments zero. The weights of the
/// policy's last layer are multiplied by `output_gain`: a small one starts near equal chances, or
/// means near 0.
void init_ppo(PpoState& state, const RandomKey& key, float output_gain = 1.0f);

struct PpoTiles;
namespace gpu {
class PpoBuffers;
}

/// Buffers of the stage for calls with up to `max_rows` observations and updates of up to as many
/// rows.
class PpoWorkspace {
 public:
  PpoWorkspace(Stream& stream, const PpoState& state, int max_rows);
  ~PpoWorkspace();

  int max_rows() const { return max_rows_; }
  PpoTiles& tiles() { return *tiles_; }         // of the CPU, also where it checks a GPU
  gpu::PpoBuffers& buffers() { return *gpu_; }  // of the GPU

 private:
  int max_rows_;
  std::unique_ptr<PpoTiles> tiles_;
  std::shared_ptr<gpu::PpoBuffers> gpu_;
};

/// Actions of a few observations with their log-probabilities and values, all on the host. Without
/// `stochastic` the likeliest category, or the mean.
struct PpoActRequest {
  Matrix<const float> observation;  // [N, S]
  Matrix<float> action;             // [N, num_actions]
  Matrix<float> log_prob;           // [N, num_log_probs], or empty
  Vector<float> value;              // [N], or empty; left alone without a value network
  bool stochastic = true;
  RandomKey key;
  std::uint64_t step = 0;
};

/// Shapes   as in PpoActRequest; N at most the workspace's rows.
/// Units    categories as whole numbers; values of a Gaussian unbounded; log_prob in nats.
/// Errors   ShapeError naming the first array that does not fit.
/// Cost     in whole tiles of 32 rows. GPU: one launch, waits for the device. Draws depend on
///          (key, step, row) alone; key's lanes number the heads.
void ppo_act(Stream& stream, const PpoState& state, const PpoActRequest& request,
             PpoWorkspace& workspace);

/// What was collected, in the stream's memory. value_target is not read without a value network.
struct PpoBatch {
  Matrix<const float> observation;              // [M, S]
  Matrix<const float> action;                   // [M, num_actions]
  Matrix<const float> log_prob;                 // [M, num_log_probs]
  Vector<const float> advantage, value_target;  // [M]
};

struct PpoConstants {
  float clip = 0.2f;               // of the ratio of probabilities, on both sides of 1
  float entropy_bonus = 0.0f;      // loss units per nat
  float value_weight = 0.5f;       // of the value loss
  float max_gradient_norm = 0.0f;  // of policy, log_std and value network together; 0: no limit
  AdamConstants adam{3e-4f};
};

/// What an update measured on its rows, before its parameter step.
struct PpoLosses {
  float policy_loss;    // clipped surrogate, summed over heads
  float value_loss;     // half the mean squared error, 0 without a value network
  float entropy;        // nats, summed over heads or values
  float approx_kl;      // mean of r - 1 - ln r, summed over heads; nats
  float clip_fraction;  // share of ratios outside of the clip range
};

/// losses.size() updates, one after the other; update i uses the rows of the batch that rows.row(i)
/// names. Loss: mean over rows of the clipped surrogate, summed over heads, plus value_weight times
/// the value loss minus entropy_bonus times the entropy.
///
/// Shapes   rows: [losses.size(), B] in the stream's memory, indices below M, B at most the
///          workspace's rows; losses on the host.
/// Errors   ShapeError naming the first array that does not fit; DivergedError naming the loss and
///          the update if one is not finite, as it is with a category that does not exist.
/// Cost     6 B parameters operations per update. Deterministic for any number of threads. No
///          allocation. GPU: three kernels per update, one graph launch per call, waits for the
///          device; fp32 whatever the stream's precision.
/// Source   arXiv:1707.06347 eqs. 7 and 9; Adam in the form of kernels/formulas/adam.h.
void ppo_update(Stream& stream, std::span<PpoLosses> losses, PpoState& state, const PpoBatch& batch,
                Matrix<const std::uint32_t> rows, const PpoConstants& constants,
                PpoWorkspace& workspace);

/// gradient_scale of the sum of squares of `count` numbers, as if added one after the other. That
/// is a chain of additions in which each waits for the one before; a sum of sixteen chains gives
/// the same float but for a case in thousands, which its bounds tell and the long chain decides.
float ppo_gradient_scale(const float* gradient, std::size_t count, float max_gradient_norm);

/// The shape's actions as the formulas take them.
///
/// Errors   as PpoState.
PpoHeads make_ppo_heads(const PpoShape& shape);

/// A call of ppo_update, as its implementations take it.
struct PpoCall {
  std::span<PpoLosses> losses;
  PpoState& state;
  const PpoBatch& batch;
  Matrix<const std::uint32_t> rows;
  const PpoConstants& constants;
};

namespace gpu {
MBRL_GPU_ONLY std::shared_ptr<PpoBuffers> make_ppo_buffers(const PpoState& state, int max_rows);
MBRL_GPU_ONLY void ppo_act(Stream& stream, const PpoState& state, const PpoActRequest& request,
                           PpoBuffers& buffers);
MBRL_GPU_ONLY void ppo_update(Stream& stream, const PpoCall& call, PpoBuffers& buffers);
}  // namespace gpu

}  // namespace mbrl
