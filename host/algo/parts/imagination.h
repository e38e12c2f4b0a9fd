// Part: imagined experience. Short rollouts of the policy in the model, the replay that they go
// into, and their share of a policy batch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "envs/spec.h"
#include "host/algo/part.h"
#include "host/algo/parts/dynamics.h"
#include "host/replay/replay.h"
#include "kernels/networks/actor.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/rollout/rollout.h"

namespace mbrl {

class ServedRollouts;

class Imagination : public Part {
 public:
  /// Declares rollout_length, model_replay_size and rollout_terminated. Policy and dynamics give
  /// the sizes alone.
  Imagination(Context& context, const EnvSpec& env, const GaussianActor& policy,
              const Dynamics& dynamics);
  ~Imagination() override;

  /// Whether anything reads imagined rows, and the model they come from: not where all rows of a
  /// policy batch are real, unless a controller, which sees the model's error, steers.
  bool is_read() const;

  /// Whether the next step begins with rollouts: after each fit, or every rollout.interval steps of
  /// an epoch, and where none has been needed so far.
  bool is_due(bool fitted) const;

  /// rollout.batch_size rollouts of the policy from random ones of `starts`.
  ///
  /// Errors   DivergedError if the model predicted a value that is not finite; DataError if ends are
  ///          served (env.end) and their process fails.
  void run(const GaussianActor& policy, const Dynamics& dynamics, const TransitionsView& starts);

  /// Batches of real and imagined rows, by loop.real_ratio (rounded down). Warns once where no row
  /// would be real.
  MixedSource mixed_with(const TransitionsView& real);

  const Replay& replay() const { return replay_; }
  /// Of the last rollouts; 0 before the first.
  int rollout_length() const { return rollout_length_; }

  void visit(Archive& archive) override;
  void hyperparameters(std::vector<Hyperparameter>& all) override;

 private:
  int next_length() const;
  int num_real_rows() const;
  double real_ratio() const { return real_ratio_.value_or(context_.config.loop.real_ratio); }

  const EnvSpec& env_;
  int interval_as_made_;  // between rollouts
  Replay replay_;
  RolloutWorkspace workspace_;
  Metric terminated_;
  int rollout_length_ = 0;
  std::int64_t num_rollouts_ = 0;
  bool warned_ = false;
  std::unique_ptr<ServedRollouts> served_;  // of env.end=served
  std::optional<double> real_ratio_;        // instead of the config's, and finer than a float
  std::optional<int> length_;               // instead of the schedule's
};

}  // namespace mbrl
