// A learner: one complete training and everything it needs. It shares nothing mutable with others.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cuda/stream.h"
#include "envs/pool.h"
#include "host/algo/hooks.h"
#include "host/algo/hyperparameters.h"
#include "host/algo/metrics.h"
#include "host/config/config.h"
#include "host/io/safetensors.h"
#include "kernels/networks/parameters.h"

namespace mbrl {

/// Outcome of an evaluation: undiscounted returns of whole episodes under the deterministic policy.
struct Evaluation {
  std::vector<double> returns;
  std::vector<int> lengths;
  int num_broken = 0;  // of them ended by an unstable simulator, and so too early
  double mean_return() const;
  double std_return() const;  // population
  double mean_length() const;
};

/// Environments, counters, episodes, evaluation and checkpoint: what all algorithms share. An
/// algorithm adds step() and act().
class Learner {
 public:
  Learner(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index,
          int num_envs);
  virtual ~Learner() = default;

  /// One real step in every environment with everything due before and after it. False: a stop was
  /// asked for in a long stage, which was undone; the learner stands as before the call.
  virtual bool step() = 0;

  const Config& config() const { return config_; }
  const EnvSpec& env_spec() const { return envs_.spec(); }
  std::int64_t env_steps() const { return env_steps_; }
  virtual std::int64_t num_updates() const = 0;
  /// Steps at which the simulator became unstable, by what was wrong.
  std::int64_t num_broken() const;
  std::int64_t num_broken(Fault fault) const { return num_broken_[fault]; }
  /// Of the last finished episode of training; NaN before the first.
  double last_return() const {
    return num_episodes_ > 0 ? last_return_ : std::numeric_limits<double>::quiet_NaN();
  }

  /// Steps after exploration; epochs are counted in these.
  std::int64_t train_steps() const { return exploring_ ? 0 : env_steps_ - exploration_end_; }
  int epoch() const { return static_cast<int>(train_steps() / config_.loop.epoch_length); }
  bool exploring() const { return exploring_; }

  /// The values that may change between two steps, bound to this learner.
  virtual std::vector<Hyperparameter> hyperparameters() { return live_keys(config_); }

  /// Runs `num_episodes` episodes in environments of its own, all at once.
  Evaluation evaluate(int num_episodes);

  /// Means since the last call, in the order of metric_names(); then starts anew.
  const std::vector<std::string>& metric_names() const { return metrics_.names(); }
  std::vector<double> take_metrics();

  /// Checkpoints: small state as JSON, arrays as tensors. Call set_state() before reading into the
  /// tensors: it gives them their sizes.
  virtual nlohmann::json state();
  virtual void set_state(const nlohmann::json& state);
  virtual std::vector<TensorRef> weight_tensors() = 0;
  virtual std::vector<TensorRef> replay_tensors();
  /// After the tensors have been read.
  virtual void finish_loading();

 protected:
  /// What the policy does where nothing is left to chance; observation and action [N, ...] lie on
  /// the host.
  virtual void act(Matrix<const float> observation, Matrix<float> action) = 0;

  /// Counts a step that means nothing and warns of the 1st, 10th, 100th ... one.
  void count_broken(Fault fault);

  /// Counts the episode that ended in environment `env`, and tells the hooks.
  ///
  /// Errors   DataError if the simulator was unstable in the first step of three in a row: such a
  ///          robot never moves.
  void end_episode(const PoolStep& step, int env, double episode_return, int length);

  /// Adds the algorithm's own current values to a row of metrics.
  virtual void set_metrics(Metrics&) {}

  std::uint32_t seed() const { return static_cast<std::uint32_t>(config_.seed); }

  Config config_;
  Stream& stream_;
  Hooks hooks_;
  const std::uint32_t learner_;
  EnvPool envs_;
  Metrics metrics_;
  int train_return_metric_ = 0;  // declared by the algorithm among its own

  std::int64_t env_steps_ = 0;
  bool exploring_ = false;
  std::int64_t exploration_end_ = 0;

 private:
  std::array<std::int64_t, kNumFaults> num_broken_{};
  int num_dead_ = 0;  // episodes in a row that ended in their first step
  std::unique_ptr<EnvPool> eval_envs_;
  std::int64_t num_episodes_ = 0, num_evaluations_ = 0;
  double last_return_ = 0.0;
  std::vector<double> env_state_;  // staging for checkpoints
};

/// Value and moments of a group of parameters under `name`, for checkpoints.
void append_tensors(std::vector<TensorRef>& tensors, const std::string& name, TrainedParameters& p);

}  // namespace mbrl
