// A learner: one complete training and everything it needs. It shares nothing mutable with others.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cuda/stream.h"
#include "envs/pool.h"
#include "host/algo/hooks.h"
#include "host/algo/metrics.h"
#include "host/config/config.h"
#include "host/io/safetensors.h"
#include "host/replay/replay.h"
#include "kernels/policy.h"
#include "kernels/sac_update.h"

namespace mbrl {

/// Outcome of an evaluation: undiscounted returns of whole episodes under the deterministic policy.
struct Evaluation {
  std::vector<double> returns;
  std::vector<int> lengths;
  double mean_return() const;
  double std_return() const;  // population
  double mean_length() const;
};

/// Real experience, soft actor-critic, evaluation and checkpoint: what all algorithms here share.
/// An algorithm adds step().
class Learner {
 public:
  Learner(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index);
  virtual ~Learner() = default;

  /// One real environment step with everything due before and after it. False: a stop was asked for
  /// in a long stage, which was undone; the learner stands as before the call.
  virtual bool step() = 0;

  const Config& config() const { return config_; }
  const EnvSpec& env_spec() const { return envs_.spec(); }
  std::int64_t env_steps() const { return env_steps_; }
  std::int64_t num_updates() const { return sac_.num_updates; }
  std::int64_t num_broken() const { return num_broken_; }
  double last_return() const { return last_return_; }

  /// Steps after exploration; epochs are counted in these.
  std::int64_t train_steps() const { return exploring_ ? 0 : env_steps_ - exploration_end_; }
  int epoch() const { return static_cast<int>(train_steps() / config_.loop.epoch_length); }
  bool exploring() const { return exploring_; }

  const SacState& policy() const { return sac_; }
  const Replay& real_replay() const { return real_; }

  /// Runs `num_episodes` episodes in environments of its own, all at once.
  Evaluation evaluate(int num_episodes);

  /// Means since the last call, in the order of metric_names(); then starts anew.
  const std::vector<std::string>& metric_names() const { return metrics_.names(); }
  std::vector<double> take_metrics();

  /// Checkpoints: small state as JSON, arrays as tensors. Call set_state() before reading into the
  /// tensors: it gives them their sizes.
  virtual nlohmann::json state();
  virtual void set_state(const nlohmann::json& state);
  virtual std::vector<TensorRef> weight_tensors();
  virtual std::vector<TensorRef> replay_tensors();
  /// After the tensors have been read.
  virtual void finish_loading();

 protected:
  /// One step in the environment: a uniform random action while exploring, else the policy's.
  void collect();

  /// `count` policy updates on batches of num_real real rows, the rest from `imagined`; then the
  /// action of the next step, which the same launch computes on a GPU.
  void update_policy(int count, const TransitionsView& imagined, double real_ratio);

  /// Adds the algorithm's own current values to a row of metrics.
  virtual void set_metrics(Metrics&) {}

  std::uint32_t seed() const { return static_cast<std::uint32_t>(config_.seed); }

  Config config_;
  Stream& stream_;
  Hooks hooks_;
  const std::uint32_t learner_;
  EnvPool envs_;
  TransitionLayout layout_;
  Replay real_;
  SacState sac_;
  Metrics metrics_;

 private:
  void end_episode(const PoolStep& step);

  SacWorkspace sac_workspace_;
  PolicyWorkspace act_workspace_;
  std::unique_ptr<EnvPool> eval_envs_;
  std::unique_ptr<PolicyWorkspace> eval_workspace_;

  std::int64_t env_steps_ = 0;
  bool exploring_;
  std::int64_t exploration_end_ = 0;
  std::vector<SacLosses> losses_;  // of the updates of a step
  std::vector<float> action_;
  std::int64_t action_chosen_for_ = -1;  // env step that action_ was computed for ahead of time
  std::vector<float> pending_;           // records of the running episode, until it is inserted
  std::int64_t num_episodes_ = 0, num_evaluations_ = 0, num_broken_ = 0;
  double episode_return_ = 0.0, last_return_ = 0.0;
  int episode_length_ = 0;
  std::vector<double> env_state_;  // staging for checkpoints
};

/// Value and moments of a group of parameters under `name`, for checkpoints.
void append_tensors(std::vector<TensorRef>& tensors, const std::string& name, TrainedParameters& p);

/// Makes the learner that config.algorithm names.
std::unique_ptr<Learner> make_learner(const Config& config, Stream& stream, Hooks hooks,
                                      std::uint32_t learner_index = 0);

}  // namespace mbrl
