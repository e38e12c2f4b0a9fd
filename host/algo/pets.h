// Probabilistic ensembles with trajectory sampling (Chua et al. 2018, arXiv:1805.12114).
#pragma once

#include <cstdint>

#include "host/algo/learner.h"
#include "host/algo/parts/collector.h"
#include "host/algo/parts/planner.h"
#include "host/algo/parts/trial_model.h"

namespace mbrl {

/// Learns in trials, which are episodes: random ones first, then each begins with a fit of the model
/// to all that is known and acts by planning in it. The return of a trial is its evaluation.
class Pets : public Learner {
 public:
  Pets(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index);

  /// Errors   DivergedError if the simulator became unstable in three trials in a row.
  bool step() override;

  /// Gradient steps of the model: there is no policy to update.
  std::int64_t num_updates() const override { return model_.state().num_steps; }
  const char* updated() const override { return "model"; }
  const EnsembleState* model() const override { return &model_.state(); }
  const Replay& real_replay() const { return collector_.replay(); }
  Trials* trials() override { return &trials_; }

  void visit(Archive& archive) override;

 protected:
  std::unique_ptr<PolicyCopy> copy_policy(Stream& stream, int num_rows) override {
    return planner_.copy_policy(stream, num_rows);
  }

 private:
  void end_trial(const ActionTaken::Ended& episode, bool random);

  TrialModel model_;
  Planner planner_;
  Collector collector_;
  Trials trials_;
  bool begins_ = true;  // the next step is the first of a trial
  std::int64_t num_trials_ = 0, num_broken_ = 0;
  int broken_in_a_row_ = 0;
};

}  // namespace mbrl
