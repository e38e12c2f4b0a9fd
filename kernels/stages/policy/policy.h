// Actions of the squashed Gaussian policy for a few observations: acting and evaluation.
#pragma once

#include <cstdint>
#include <memory>

#include "base/rng.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/networks/actor.h"

namespace mbrl {

class TileMlp;
namespace gpu {
class PolicyBuffers;
}

/// Workspace of policy_act for up to `max_rows` observations.
class PolicyWorkspace {
 public:
  PolicyWorkspace(Stream& stream, const GaussianActor& policy, int max_rows);
  ~PolicyWorkspace();

  int max_rows() const { return max_rows_; }

 private:
  friend void policy_act(Stream&, const GaussianActor&, Matrix<const float>, Matrix<float>, bool,
                         const RandomKey&, std::uint64_t, PolicyWorkspace&);
  friend void policy_log_prob(Stream&, const GaussianActor&, Matrix<const float>,
                              Matrix<const float>, Vector<float>, PolicyWorkspace&);
  int max_rows_;
  std::unique_ptr<TileMlp> actor_;
  std::shared_ptr<gpu::PolicyBuffers> gpu_;
};

/// action = tanh(mean), or tanh(mean + sd * noise) if `stochastic` with noise from (key, step,
/// row).
///
/// Shapes   observation [N, S], action [N, A], both on the host, N at most the workspace's rows.
/// Units    actions in [-1, 1].
/// Cost     0.14 MFLOP per row at Hopper sizes, in whole tiles of 32 rows. GPU: one launch, waits
///          for the device.
void policy_act(Stream& stream, const GaussianActor& policy, Matrix<const float> observation,
                Matrix<float> action, bool stochastic, const RandomKey& key, std::uint64_t step,
                PolicyWorkspace& workspace);

/// log_prob[i] = ln pi(action[i] | observation[i]).
///
/// Shapes   observation [N, S], action [N, A], log_prob [N], all on the host, N at most the
///          workspace's rows.
/// Units    nats, of the density per unit of squashed action.
/// Cost     as policy_act.
void policy_log_prob(Stream& stream, const GaussianActor& policy, Matrix<const float> observation,
                     Matrix<const float> action, Vector<float> log_prob,
                     PolicyWorkspace& workspace);

namespace gpu {
MBRL_GPU_ONLY std::shared_ptr<PolicyBuffers> make_policy_buffers(const GaussianActor& policy,
                                                                 int max_rows);
MBRL_GPU_ONLY void policy_act(Stream& stream, const GaussianActor& policy,
                              Matrix<const float> observation, Matrix<float> action,
                              bool stochastic, const RandomKey& key, std::uint64_t step,
                              PolicyBuffers& buffers);
MBRL_GPU_ONLY void policy_log_prob(Stream& stream, const GaussianActor& policy,
                                   Matrix<const float> observation, Matrix<const float> action,
                                   Vector<float> log_prob, PolicyBuffers& buffers);
}  // namespace gpu

}  // namespace mbrl
