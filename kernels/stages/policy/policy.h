// Actions of the squashed Gaussian policy for a few observations: acting and evaluation.
#pragma once

#include <cstdint>
#include <memory>

#include "base/rng.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/networks/actor.h"

namespace mbrl {

class Bf16Weights;
class TileMlp;
namespace gpu {
class PolicyBuffers;
}

/// Actions of a policy for N observations: tanh(mean), or tanh(mean + sd noise) if `stochastic`,
/// with noise from (key, step, row). Where log_prob has memory, also the density of each action.
struct ActRequest {
  Matrix<const float> observation;  // [N, S] on the host
  Matrix<float> action;             // [N, A] on the host, in [-1, 1]
  bool stochastic = true;
  RandomKey key;
  std::uint64_t step = 0;
  Vector<float> log_prob = {};  // [N] on the host, or no memory: what policy_log_prob would give
};

/// Buffers of the stage for up to `max_rows` observations, made once.
class PolicyWorkspace {
 public:
  PolicyWorkspace(Stream& stream, const GaussianActor& policy, int max_rows);
  ~PolicyWorkspace();

  int max_rows() const { return max_rows_; }
  TileMlp& tiles() { return *tiles_; }             // of the CPU, also where it checks a GPU
  Bf16Weights* bf16() { return bf16_.get(); }      // its copies of the weights, null in fp32
  gpu::PolicyBuffers& buffers() { return *gpu_; }  // of the GPU

 private:
  int max_rows_;
  std::unique_ptr<TileMlp> tiles_;
  std::unique_ptr<Bf16Weights> bf16_;
  std::shared_ptr<gpu::PolicyBuffers> gpu_;
};

/// The actions that are asked for.
///
/// Shapes   as in ActRequest, N at most the workspace's rows.
/// Units    densities as of policy_log_prob.
/// Cost     0.14 MFLOP per row at Hopper sizes, in whole tiles of 32 rows. GPU: one launch, waits
///          for the stream.
void policy_act(Stream& stream, const GaussianActor& policy, const ActRequest& request,
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
                              const ActRequest& request, PolicyBuffers& buffers);
MBRL_GPU_ONLY void policy_log_prob(Stream& stream, const GaussianActor& policy,
                                   Matrix<const float> observation, Matrix<const float> action,
                                   Vector<float> log_prob, PolicyBuffers& buffers);
}  // namespace gpu

}  // namespace mbrl
