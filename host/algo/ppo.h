// Proximal policy optimization (Schulman et al. 2017, arXiv:1707.06347): model-free and on-policy,
// the baseline that needs neither replay nor model.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/algo/learner.h"
#include "host/algo/running_moments.h"
#include "kernels/data/permutation.h"
#include "kernels/stages/ppo/gae.h"
#include "kernels/stages/ppo/ppo_update.h"

namespace mbrl {

/// Shifts and scales advantages to mean 0 and standard deviation 1, in place. Those of broken steps
/// (where `broken` is not 0) are left out of both and become 0.
void normalize_advantages(std::span<float> advantage, std::span<const float> broken);

/// Collects ppo.steps_per_update steps in ppo.num_envs environments with a Gaussian policy, then
/// goes over them ppo.epochs times in random batches. Actions are clipped to [-1, 1] on their way
/// to the environment alone.
class Ppo : public Learner {
 public:
  Ppo(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index);

  bool step() override;

  std::int64_t num_updates() const override { return policy_.num_updates; }
  const PpoState& policy() const { return policy_; }
  const RunningMoments& observation_moments() const { return observation_moments_; }

  void visit(Archive& archive) override;
  std::optional<PolicyNetwork> policy_network() const override;

 protected:
  std::unique_ptr<PolicyCopy> copy_policy(Stream& stream, int num_rows) override;

 private:
  /// What the steps of all environments gave, rows [T, N]; on the host and, for an update,
  /// on the stream's device.
  struct Steps {
    Steps(int rows, const EnvSpec& spec, Memory memory);
    Buffer<float> observation, action, log_prob;  // normalized; not clipped
    Buffer<float> reward;                         // scaled
    Buffer<float> value, next_value, terminated, truncated;
  };

  class Copy;

  void collect();
  void update();
  void record(int row, int env, const PoolStep& step);
  double action_std() const;
  float scaled_reward(int env, double reward);
  void normalize_observations(Matrix<const float> observation, Matrix<float> out) const;
  void fill_next_values(const PoolStep& step, bool last);
  void finish_advantages();

  const int N_, T_, S_, A_;
  PpoState policy_;
  PpoWorkspace workspace_;
  RunningMoments observation_moments_, return_moments_;

  Steps steps_, device_steps_;
  Buffer<float> broken_;                   // [T, N], 1 where the simulator became unstable
  int num_collected_ = 0;                  // steps since the last update
  std::vector<double> discounted_return_;  // [N], in reward units, for the reward's scale
  std::vector<double> episode_return_;     // [N]
  std::vector<int> episode_length_;        // [N]

  Buffer<float> advantage_, value_target_;  // [T, N] on the stream's device
  Buffer<std::uint32_t> rows_;              // [updates, batch] there
  PermutationScratch permutation_;
  std::vector<float> host_advantage_, host_target_;
  std::vector<float> env_action_, bootstrap_, observation_scratch_, action_scratch_;
  std::vector<PpoLosses> losses_;

  Metric policy_loss_, value_loss_, entropy_, approx_kl_, clip_fraction_, explained_variance_;
};

}  // namespace mbrl
