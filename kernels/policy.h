// Actions of the squashed Gaussian policy for a few observations: acting and evaluation.
#pragma once

#include <cstdint>

#include "cuda/buffer.h"
#include "cuda/rng.h"
#include "cuda/stream.h"
#include "kernels/sac_update.h"
#include "kernels/tile_mlp.h"

namespace mbrl {

/// Workspace of policy_act for up to `max_rows` observations.
class PolicyWorkspace {
 public:
  PolicyWorkspace(const SacState& policy, int max_rows)
      : actor_(policy.actor_layout, Activation::kRelu, num_tiles(max_rows), false) {}

 private:
  friend void policy_act(Stream&, const SacState&, Matrix<const float>, Matrix<float>, bool,
                         const RandomKey&, std::uint64_t, PolicyWorkspace&);
  TileMlp actor_;
};

/// action = tanh(mean), or tanh(mean + sd * noise) if `stochastic` with noise from (key, step,
/// row).
///
/// Shapes   observation [N, S], action [N, A], N at most the workspace's rows.
/// Units    actions in [-1, 1].
/// Cost     0.14 MFLOP per row at Hopper sizes, in whole tiles of 32 rows.
void policy_act(Stream& stream, const SacState& policy, Matrix<const float> observation,
                Matrix<float> action, bool stochastic, const RandomKey& key, std::uint64_t step,
                PolicyWorkspace& workspace);

}  // namespace mbrl
