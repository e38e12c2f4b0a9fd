#include "host/algo/parts/measurements.h"

#include <cmath>

namespace mbrl {
namespace {

// real actions on which the change of the policy is measured, as many as the reference takes
constexpr int kBehaviourRows = 5000;

}  // namespace

Measurements::Measurements(Context& context, const GaussianActor& policy) : Part(context) {
  if (!context.config.controller.file.empty())
    behaviour_ = std::make_unique<BehaviourLog>(context.stream, policy, kBehaviourRows);
}

void Measurements::note_action(const GaussianActor& policy, const ActionTaken& taken) {
  if (behaviour_ != nullptr)
    behaviour_->add(context_.stream, policy, taken.observation, taken.action, taken.random);
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

double Measurements::policy_change(const GaussianActor& policy) {
  return behaviour_->policy_change(context_.stream, policy);
}

void Measurements::visit(Archive& archive) {
  if (behaviour_ == nullptr) return;
  const Archive::Section section(archive, "schedule");
  archive.value("critic_loss_sum", critic_loss_sum_);
  archive.value("critic_loss_count", critic_loss_count_);
  const Archive::Section behaviour(archive, "behaviour");
  behaviour_->visit(archive);
}

}  // namespace mbrl
