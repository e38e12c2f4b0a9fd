// Part: what a controller asks of a model-based learner beside its hyperparameters.
#pragma once

#include <cstdint>
#include <memory>

#include "host/algo/behaviour_log.h"
#include "host/algo/part.h"
#include "host/algo/parts/collector.h"
#include "host/algo/parts/dynamics.h"
#include "host/algo/parts/soft_actor_critic.h"

namespace mbrl {

class Measurements : public Part {
 public:
  /// Keeps actions only where a controller asks for them: controller.file.
  Measurements(Context& context, const SoftActorCritic& sac, const Collector& collector,
               Dynamics& dynamics);

  void note_action(const ActionTaken& taken);
  /// NaN counts for nothing.
  void note_critic_loss(double loss);

  /// Fits the model to the real replay unless it has been fitted before. False: a stop was asked
  /// for.
  bool ensure_fitted() { return dynamics_.ensure_fitted(collector_.replay().view()); }

  /// Of the model's last fit; NaN before the first.
  double validation_loss() const { return dynamics_.validation_loss(); }

  /// Mean over the policy updates since the last call; NaN if there were none.
  double take_critic_loss();

  /// Mean change of the policy's density on recent real actions.
  double policy_change();

  void visit(Archive& archive) override;

 private:
  const SoftActorCritic& sac_;
  const Collector& collector_;
  Dynamics& dynamics_;
  double critic_loss_sum_ = 0.0;
  std::int64_t critic_loss_count_ = 0;
  std::unique_ptr<BehaviourLog> behaviour_;
};

}  // namespace mbrl
