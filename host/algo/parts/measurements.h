// Part: what a controller sees of a learner beside its metrics.
#pragma once

#include <cstdint>
#include <memory>

#include "host/algo/behaviour_log.h"
#include "host/algo/part.h"
#include "host/algo/parts/collector.h"
#include "kernels/networks/actor.h"

namespace mbrl {

class Measurements : public Part {
 public:
  /// Keeps actions only where a controller asks for them: controller.file.
  Measurements(Context& context, const GaussianActor& policy);

  void note_action(const GaussianActor& policy, const ActionTaken& taken);
  /// NaN counts for nothing.
  void note_critic_loss(double loss);

  /// Mean over the policy updates since the last call; NaN if there were none.
  double take_critic_loss();

  /// Mean change of the policy's density on recent real actions.
  double policy_change(const GaussianActor& policy);

  void visit(Archive& archive) override;

 private:
  double critic_loss_sum_ = 0.0;
  std::int64_t critic_loss_count_ = 0;
  std::unique_ptr<BehaviourLog> behaviour_;
};

}  // namespace mbrl
