// Part: environments side by side, their steps, faults and episodes.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "envs/pool.h"
#include "host/algo/part.h"
#include "kernels/data/transition.h"

namespace mbrl {

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

  /// Seed of the environments that evaluations run in.
  std::uint32_t evaluation_seed() const;
  /// Number of the next evaluation, which is counted.
  std::int64_t count_evaluation() { return num_evaluations_++; }

  void visit(Archive& archive) override;

 private:
  EnvPool pool_;
  Metric train_return_{};
  std::array<std::int64_t, kNumFaults> num_broken_{};  // by Fault
  int num_dead_ = 0;  // episodes in a row that ended in their first step
  std::int64_t num_episodes_ = 0, num_evaluations_ = 0;
  double last_return_ = 0.0;
  std::vector<double> pool_state_;  // staging for checkpoints
};

}  // namespace mbrl
