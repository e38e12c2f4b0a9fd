// Part: acts by planning in a learned model, a search at every step.
#pragma once

#include <cstdint>
#include <memory>

#include "envs/spec.h"
#include "host/algo/evaluator.h"
#include "host/algo/part.h"
#include "kernels/networks/ensemble.h"
#include "kernels/stages/plan/plan.h"
#include "kernels/stages/plan/plan_meeting.h"

namespace mbrl {

/// What the config asks of a search, and the most that it may ask for during a run.
PlanConstants plan_constants(const PlannerConfig& config);
PlanLimits plan_limits(const PlannerConfig& config, int observations = 1);

class Planner : public Part {
 public:
  /// Declares plan_best_cost, plan_mean_cost and plan_iterations. The model lives as long. It plans
  /// together with others where the hooks name a meeting, to the same bits.
  Planner(Context& context, const EnvSpec& env, const EnsembleState& model);

  /// The next search starts from nothing: a new episode, whose first action is due now.
  void begin_episode() {
    state_.reset(context_.stream, 0);
    if (seat_ != nullptr) seat_->expect();
  }

  /// No action is due before something else has been done, such as a fit: others do not wait for it.
  void end_episode() { pause(); }

  /// The first action of a plan for this env step.
  ///
  /// Shapes   observation [1, S], action [1, A], on the host.
  /// Errors   those of plan(); DivergedError if the action is not finite.
  void act(Matrix<const float> observation, Matrix<float> action);

  /// A planner of its own for `num_rows` observations at once, in a copy of the model, which acts on
  /// `stream`.
  std::unique_ptr<PolicyCopy> copy_policy(Stream& stream, int num_rows);

  void visit(Archive& archive) override;
  /// What the workspace was made for bounds population, horizon and particles.
  void hyperparameters(std::vector<Hyperparameter>& all) override;

 private:
  class Copy;

  PlanConstants constants() const;
  void pause() {
    if (seat_ != nullptr) seat_->pause();
  }

  const EnvSpec& env_;
  const EnsembleState& model_;
  const PlanLimits limits_;
  // one of the two
  std::unique_ptr<PlanMeeting::Seat> seat_;
  std::unique_ptr<PlanWorkspace> workspace_;
  PlanState state_;
  Metric best_cost_, mean_cost_, iterations_;
};

}  // namespace mbrl
