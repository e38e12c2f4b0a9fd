// The newest real actions with the density they were drawn from: how far the policy has moved.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cuda/stream.h"
#include "host/io/archive.h"
#include "kernels/stages/policy/policy.h"

namespace mbrl {

class BehaviourLog {
 public:
  /// Epochs of real actions on which a controller sees the policy's change, as the reference.
  static constexpr int kEpochs = 5;
  /// Rows of a forward pass.
  static constexpr int kRowsAtOnce = 512;

  /// Keeps the newest `capacity` actions.
  BehaviourLog(Stream& stream, const GaussianActor& policy, int capacity);

  /// An action and the log of the density it was drawn from; without one, a uniform random action,
  /// whose density is 2^-A.
  void add(const float* observation, const float* action, std::optional<float> log_prob);

  /// AutoMBPO's policy change: the mean over the log of |pi(a|s) - pi_D(a|s)|, where pi_D is the
  /// policy that chose a; 0 while the log is empty. A difference counts as 100 at most, since
  /// densities near the ends of the range have no limit.
  ///
  /// Cost     a forward pass of the actor on every row.
  /// Source   Lai et al. 2021, arXiv:2111.08550, section 5.1; limits hanglai/autombpo:mbpo.py.
  double policy_change(Stream& stream, const GaussianActor& policy);

  void visit(Archive& archive);

 private:
  std::size_t capacity_;
  int observation_size_, action_size_;
  std::size_t size_ = 0, head_ = 0;
  std::vector<float> observations_, actions_, log_probs_;  // rings
  std::vector<float> now_;                                 // log-densities under the policy now
  PolicyWorkspace workspace_;
};

}  // namespace mbrl
