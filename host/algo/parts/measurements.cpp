#include "host/algo/parts/measurements.h"

#include <cmath>
#include <optional>

namespace mbrl {

Measurements::Measurements(Context& context, const SoftActorCritic& sac, const Collector& collector,
                           Dynamics& dynamics)
    : Part(context), sac_(sac), collector_(collector), dynamics_(dynamics) {
  if (!context.config.controller.file.empty())
    behaviour_ = std::make_unique<BehaviourLog>(
        context.stream, sac.actor(), BehaviourLog::kEpochs * context.config.loop.epoch_length);
}

void Measurements::note_action(const ActionTaken& taken) {
  if (behaviour_ == nullptr) return;
  const std::optional<float> log_prob =
      taken.random ? std::nullopt : std::optional<float>(sac_.last_log_prob());
  behaviour_->add(taken.observation, taken.action, log_prob);
}

void Measurements::note_critic_loss(double loss) {
  if (std::isnan(loss)) return;
  critic_loss_sum_ += loss;
  ++critic_loss_count_;
}

double Measurements::take_critic_loss() {
  const double mean = critic_loss_sum_ / static_cast<double>(critic_loss_count_);
  critic_loss_sum_ = 0.0;
  critic_loss_count_ = 0;
  return mean;
}

double Measurements::policy_change() {
  return behaviour_->policy_change(context_.stream, sac_.actor());
}

void Measurements::visit(Archive& archive) {
  if (behaviour_ == nullptr) return;
  const Archive::Section section(archive, "schedule");
  archive.value("critic_loss_sum", critic_loss_sum_);
  archive.value("critic_loss_count", critic_loss_count_, 0, kMaxCount);
  const Archive::Section behaviour(archive, "behaviour");
  behaviour_->visit(archive);
}

}  // namespace mbrl
