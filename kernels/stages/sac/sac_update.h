// Stage: one soft actor-critic update (Haarnoja et al. 2018, arXiv:1812.05905) with twin critics.
//
//   per tile:   gather rows -> actor on s' and s -> targets y -> critics -> critic gradients
//   per block:  critic weight gradients -> Adam -> target averaging
//   per tile:   critics on (s, a_pi) -> minimum
//   per tile of rows of one smaller critic:  gradient to the action
//   per tile:   actor gradients
//   per block:  actor weight gradients -> Adam; temperature
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/rng.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/data/transition.h"
#include "kernels/formulas/adam.h"
#include "kernels/formulas/sac_rows.h"
#include "kernels/gpu/product.h"
#include "kernels/networks/actor.h"
#include "kernels/networks/parameters.h"
#include "kernels/networks/twin_critic.h"
#include "kernels/stages/policy/policy.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kReplayIndex{2};      // rows of a batch
inline constexpr Purpose kNextActionNoise{4};  // action at the next observation
inline constexpr Purpose kActorNoise{5};       // action in the actor loss
}  // namespace purpose

/// Everything an update changes.
struct SacState {
  GaussianActor actor;
  TwinCritic critics;
  TrainedParameters log_alpha;  // 1 value: log of the temperature, in reward units per nat
  std::int64_t num_updates = 0;

  SacState(int observation_size, int action_size, const std::vector<int>& hidden_sizes,
           Memory memory = Memory::kHost)
      : actor(observation_size, action_size, hidden_sizes, memory),
        critics(observation_size, action_size, hidden_sizes, memory),
        log_alpha(1, memory) {}

  int observation_size() const { return actor.observation_size(); }
  int action_size() const { return actor.action_size(); }
};

/// Glorot-uniform weights, zero biases, targets equal to the critics, moments zero.
void init_sac(SacState& state, std::uint32_t seed, std::uint32_t learner, float init_alpha);

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

struct SacTiles;
namespace gpu {
class SacBuffers;
}

/// Buffers of the update for batches of `batch_size` rows, made once.
class SacWorkspace {
 public:
  /// gemm: whose products on a GPU.
  SacWorkspace(Stream& stream, const SacState& state, int batch_size, const Gemm& gemm = {});
  ~SacWorkspace();

  SacTiles& tiles() { return *tiles_; }         // of the CPU, also where it checks a GPU
  gpu::SacBuffers& buffers() { return *gpu_; }  // of the GPU
  /// Of the CPU, for `rows` actions after an update: made at the first call and where they grow.
  PolicyWorkspace& acting(Stream& cpu, const GaussianActor& actor, int rows);

 private:
  std::unique_ptr<SacTiles> tiles_;
  std::unique_ptr<PolicyWorkspace> acting_;
  std::shared_ptr<gpu::SacBuffers> gpu_;
};

/// losses.size() updates of critics, actor, temperature and targets, one after the other. Then the
/// actions of `then_act`, if given, by policy_act's rule; on a GPU they cost no wait of their own.
///
/// Shapes   batch rows from `source`; all parameters in `state`; losses on the host.
/// Units    losses in reward units; temperature in reward units per nat.
/// Errors   DivergedError naming the loss and the update if one is not finite; ShapeError if a
///          source that must give rows is empty.
/// Cost     0.53 GFLOP per update at Hopper sizes (S 11, A 3, 256 x 256, batch 256). Deterministic
///          for any number of threads. No allocation. GPU: four kernels per update (simultaneous:
///          two), one graph launch per call, waits for the device.
/// Source   arXiv:1812.05905 eqs. 5, 6, 9, 18; twin minimum arXiv:1802.09477. Losses and gradients
///          of a row: kernels/formulas/sac_rows.h.
void sac_update(Stream& stream, std::span<SacLosses> losses, SacState& state,
                const MixedSource& source, const SacConstants& constants, SacWorkspace& workspace,
                const ActRequest* then_act = nullptr);

/// One update.
SacLosses sac_update(Stream& stream, SacState& state, const MixedSource& source,
                     const SacConstants& constants, SacWorkspace& workspace);

/// A call of sac_update, as its implementations take it.
struct SacCall {
  std::span<SacLosses> losses;
  SacState& state;
  const MixedSource& source;
  const SacConstants& constants;
  const ActRequest* then_act;
};

namespace gpu {
MBRL_GPU_ONLY std::shared_ptr<SacBuffers> make_sac_buffers(Stream& stream, const SacState& state,
                                                           int batch_size, const Gemm& gemm);
MBRL_GPU_ONLY void sac_update(Stream& stream, const SacCall& call, SacBuffers& buffers);
}  // namespace gpu

}  // namespace mbrl
