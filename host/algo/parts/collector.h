// Part: real experience. One environment, exploration, and the replay that its transitions go into.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "host/algo/parts/environments.h"
#include "host/replay/replay.h"

namespace mbrl {

/// What an action was taken on, and what came of it.
struct ActionTaken {
  const float* observation;  // [S]
  const float* action;       // [A]
  bool random;               // uniform, while exploring

  /// The episode that ended with it, if one did.
  struct Ended {
    double episode_return;  // of the steps that count
    int length;
    bool broken;  // the simulator became unstable
  };
  std::optional<Ended> ended = {};
};

/// Whether a transition may go into the replay.
using Accept = std::function<bool(const float* record)>;

/// Fills actions [N, A] for observations [N, S]; both lie on the host.
using Act = std::function<void(Matrix<const float> observation, Matrix<float> action)>;

class Collector : public Part {
 public:
  /// Declares train_return and real_replay_size. The run explores from its first step if
  /// loop.num_exploration_steps says so. Where not every transition is accepted, those that are not
  /// are counted (metric rejected_rows); they belong to their episodes all the same.
  Collector(Context& context, Environments& environments, Accept accept = {});

  /// One step in the environment: a uniform random action while exploring, else the policy's. A
  /// broken transition is dropped; the others reach the replay at the end of their episode or at
  /// once (loop.pool_insertion).
  ActionTaken step(const Act& policy);

  const Replay& replay() const { return replay_; }
  /// Of the newest `count` transitions, or of all if there are fewer. Valid until the next step.
  TransitionsView newest(int count) {
    return replay_.newest(context_.stream, static_cast<std::size_t>(count));
  }

  void visit(Archive& archive) override;

 private:
  void choose(const Act& policy);
  void record(const PoolStep& step);
  void leave_episode();

  Environments& environments_;
  TransitionLayout layout_;
  Replay replay_;
  std::vector<float> observation_, action_;  // of the step
  std::vector<float> pending_;               // records of the running episode, until it is inserted
  Accept accept_;                            // all, where there is none
  std::int64_t num_rejected_ = 0;
  double episode_return_ = 0.0;
  int episode_length_ = 0;
};

}  // namespace mbrl
