// Part: environments side by side, their steps, faults and episodes, and evaluation.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "envs/pool.h"
#include "host/algo/part.h"
#include "kernels/data/transition.h"

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

/// Fills actions [N, A] for observations [N, S]; both lie on the host.
using Act = std::function<void(Matrix<const float> observation, Matrix<float> action)>;

class Environments : public Part {
 public:
  Environments(Context& context, int num_envs);

  EnvPool& pool() { return pool_; }
  const EnvPool& pool() const { return pool_; }
  const EnvSpec& spec() const { return pool_.spec(); }
  TransitionLayout layout() const { return {spec().observation_size, spec().action_size}; }

  /// Declares train_return, the returns of the episodes that end.
  void declare_return() { train_return_ = context_.metrics.declare("train_return"); }

  /// One step of every environment.
  PoolStep step(Matrix<const float> action);

  /// Counts a step without meaning and warns of the 1st, 10th, 100th ... one.
  void count_broken(Fault fault);

  /// Counts the episode that ended in environment `env`, and tells the hooks.
  ///
  /// Errors   DataError if the simulator was unstable in the first step of three in a row: such a
  ///          robot never moves.
  void end_episode(const PoolStep& step, int env, double episode_return, int length);

  /// Steps at which the simulator became unstable, by what was wrong.
  std::int64_t num_broken() const;
  std::int64_t num_broken(Fault fault) const { return num_broken_[fault]; }
  /// Of the last finished episode; NaN before the first.
  double last_return() const {
    return num_episodes_ > 0 ? last_return_ : std::numeric_limits<double>::quiet_NaN();
  }

  /// Runs `num_episodes` episodes in environments of its own, all at once.
  Evaluation evaluate(int num_episodes, const Act& act);

  void visit(Archive& archive) override;

 private:
  EnvPool pool_;
  Metric train_return_{};
  std::array<std::int64_t, kNumFaults> num_broken_{};
  int num_dead_ = 0;  // episodes in a row that ended in their first step
  std::int64_t num_episodes_ = 0, num_evaluations_ = 0;
  double last_return_ = 0.0;
  std::unique_ptr<EnvPool> eval_pool_;
  std::vector<double> pool_state_;  // staging for checkpoints
};

}  // namespace mbrl
