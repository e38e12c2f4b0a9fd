// The stages at a config's sizes on random data: what bench times, and what device.gemm=auto
// compares.
#pragma once

#include <memory>
#include <vector>

#include "cuda/stream.h"
#include "envs/spec.h"
#include "host/bench/measure.h"
#include "host/config/config.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/ppo/ppo_update.h"
#include "kernels/stages/rollout/rollout.h"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl {

/// Time of one call and how much work it does.
struct Trial {
  Timing time;
  double units;  // updates, steps or states per call
};

/// Random transitions that look like those of a walker near upright rest.
class TrialRecords {
 public:
  TrialRecords(Stream& stream, const EnvSpec& env);
  TransitionsView view() const;
  /// Real rows and imagined ones of a SAC batch, from the same.
  MixedSource source(const Config& config) const;

 private:
  TransitionLayout layout_;
  Buffer<float> records_;
};

class StageTrials {
 public:
  StageTrials(const Config& config, const EnvSpec& env, Stream& stream);

  /// A call makes as many updates as a training step. gemm: whose products.
  Trial sac(bool simultaneous, const Gemm& gemm, double seconds);
  /// A call is an epoch of 64 steps on the GPU, where one alone would measure the wait for it.
  Trial ensemble(const Gemm& gemm, double seconds);
  /// A call is one step of all rows.
  Trial rollout(double seconds);
  /// A call is an epoch over what a collection of PPO holds.
  Trial ppo(double seconds);

  // shapes, for floors
  const SacState& sac_state() const { return policy_; }
  const EnsembleState& ensemble_state() const { return ensemble_; }
  const PpoState& ppo_state() const { return ppo_; }

 private:
  const Config& config_;
  Stream& stream_;
  TransitionLayout layout_;
  TaskId task_;
  EndBounds end_bounds_;
  TrialRecords records_;
  SacState policy_;
  EnsembleState ensemble_;
  PpoState ppo_;
};

}  // namespace mbrl
