#include <algorithm>

#include "cuda/kernel.cuh"
#include "kernels/gpu/dispatch.cuh"
#include "kernels/stages/policy/policy.cuh"
#include "kernels/stages/policy/policy.h"

namespace mbrl::gpu {

/// Pinned memory that the kernel reads and writes directly.
class PolicyBuffers {
 public:
  PolicyBuffers(const GaussianActor& policy, int max_rows)
      : actor(make_table(policy.layout)),
        observation(static_cast<std::size_t>(max_rows) * policy.observation_size(), Memory::kPinned,
                    "observations"),
        action(static_cast<std::size_t>(max_rows) * policy.action_size(), Memory::kPinned,
               "actions"),
        log_prob(static_cast<std::size_t>(max_rows), Memory::kPinned, "log-densities"),
        step(1, Memory::kPinned, "step") {}

  MlpTable actor;
  Buffer<float> observation, action, log_prob;
  Buffer<std::uint64_t> step;
};

std::shared_ptr<PolicyBuffers> make_policy_buffers(const GaussianActor& policy, int max_rows) {
  return std::make_shared<PolicyBuffers>(policy, max_rows);
}

void policy_act(Stream& stream, const GaussianActor& policy, const ActRequest& r,
                PolicyBuffers& b) {
  std::copy_n(r.observation.data, r.observation.count(), b.observation.data());
  b.step[0] = r.step;
  with_precision(stream, [&]<Precision kPrecision>() {
    launch_policy<kPrecision>(stream, b.actor, policy.parameters.value.data(),
                              r.observation.size(1), r.action.size(1), r.observation.size(0),
                              b.observation.data(), b.action.data(),
                              r.log_prob.data == nullptr ? nullptr : b.log_prob.data(),
                              r.stochastic, r.key, b.step.data());
  });
  stream.synchronize();
  std::copy_n(b.action.data(), r.action.count(), r.action.data);
  if (r.log_prob.data != nullptr)
    std::copy_n(b.log_prob.data(), r.log_prob.count(), r.log_prob.data);
}

void policy_log_prob(Stream& stream, const GaussianActor& policy, Matrix<const float> observation,
                     Matrix<const float> action, Vector<float> log_prob, PolicyBuffers& b) {
  std::copy_n(observation.data, observation.count(), b.observation.data());
  std::copy_n(action.data, action.count(), b.action.data());
  with_precision(stream, [&]<Precision kPrecision>() {
    launch_policy_log_prob<kPrecision>(stream, b.actor, policy.parameters.value.data(),
                                       observation.size(1), action.size(1), observation.size(0),
                                       b.observation.data(), b.action.data(), b.log_prob.data());
  });
  stream.synchronize();
  std::copy_n(b.log_prob.data(), log_prob.count(), log_prob.data);
}

}  // namespace mbrl::gpu
