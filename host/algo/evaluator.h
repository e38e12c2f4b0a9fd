// Evaluation of a policy as it is at one moment; the learner that has it may go on meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/stream.h"
#include "envs/pool.h"

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

/// Episodes of a training that stand for its evaluations, until they are taken.
class Trials {
 public:
  void add(double episode_return, int length, bool broken) {
    ended_.returns.push_back(episode_return);
    ended_.lengths.push_back(length);
    ended_.num_broken += broken;
  }
  bool empty() const { return ended_.returns.empty(); }
  Evaluation take() { return std::exchange(ended_, {}); }

 private:
  Evaluation ended_;
};

/// A copy of a learner's deterministic policy, on a stream of its own.
class PolicyCopy {
 public:
  virtual ~PolicyCopy() = default;

  /// Copies the policy as it is now; in the thread that its learner works in.
  virtual void renew() = 0;

  /// What the policy does where nothing is left to chance; observation and action [N, ...] lie on
  /// the host. In any one thread at a time, beside steps of the learner.
  virtual void act(Matrix<const float> observation, Matrix<float> action) = 0;
};

/// Runs the episodes of a learner's evaluations, all of one evaluation at once. It has environments,
/// a stream and a copy of the policy to itself.
class Evaluator {
 public:
  /// Copies the policy of its learner, for `num_rows` observations at once, to act on `stream`.
  using MakeCopy = std::function<std::unique_ptr<PolicyCopy>(Stream& stream, int num_rows)>;

  /// `stream`: the learner's, whose device and settings it shares. `pool`: what its environments
  /// run on; the learner's own where it waits for the episodes.
  Evaluator(const EnvOptions& options, std::uint32_t seed, int num_episodes, const Stream& stream,
            ThreadPool& pool, const MakeCopy& make_copy);

  int num_episodes() const { return envs_.size(); }
  ThreadPool& pool() { return stream_.pool(); }

  /// Copies the policy; run() is then told apart from what the learner does next.
  void renew() { policy_->renew(); }

  /// The episodes of the evaluation of this number, which gives them their start states.
  Evaluation run(std::int64_t number);

 private:
  Stream stream_;
  EnvPool envs_;
  std::unique_ptr<PolicyCopy> policy_;
};

}  // namespace mbrl
