#include "host/algo/behaviour_log.h"

#include <algorithm>
#include <cmath>

namespace mbrl {
namespace {

constexpr double kMaxChange = 100.0, kMaxLogProb = 100.0;

double density(float log_prob) {
  return std::exp(std::clamp(static_cast<double>(log_prob), -kMaxLogProb, kMaxLogProb));
}

}  // namespace

BehaviourLog::BehaviourLog(Stream& stream, const GaussianActor& policy, int capacity)
    : capacity_(static_cast<std::size_t>(capacity)),
      observation_size_(policy.observation_size()),
      action_size_(policy.action_size()),
      observations_(capacity_ * static_cast<std::size_t>(observation_size_)),
      actions_(capacity_ * static_cast<std::size_t>(action_size_)),
      log_probs_(capacity_),
      now_(kRowsAtOnce),
      workspace_(stream, policy, kRowsAtOnce) {}

void BehaviourLog::add(const float* observation, const float* action,
                       std::optional<float> log_prob) {
  std::copy_n(observation, observation_size_,
              observations_.data() + head_ * static_cast<std::size_t>(observation_size_));
  std::copy_n(action, action_size_,
              actions_.data() + head_ * static_cast<std::size_t>(action_size_));
  // the reference counts one action dimension here, whatever their number
  log_probs_[head_] = log_prob.value_or(-static_cast<float>(action_size_) * 0.69314718f);
  head_ = (head_ + 1) % capacity_;
  size_ = std::min(size_ + 1, capacity_);
}

double BehaviourLog::policy_change(Stream& stream, const GaussianActor& policy) {
  if (size_ == 0) return 0.0;
  double sum = 0.0;
  for (std::size_t begin = 0; begin < size_; begin += kRowsAtOnce) {
    const int rows = static_cast<int>(std::min<std::size_t>(kRowsAtOnce, size_ - begin));
    policy_log_prob(
        stream, policy,
        {observations_.data() + begin * static_cast<std::size_t>(observation_size_), rows,
         observation_size_},
        {actions_.data() + begin * static_cast<std::size_t>(action_size_), rows, action_size_},
        {now_.data(), rows}, workspace_);
    for (int i = 0; i < rows; ++i) {
      const double change = std::abs(density(now_[static_cast<std::size_t>(i)]) -
                                     density(log_probs_[begin + static_cast<std::size_t>(i)]));
      if (!std::isnan(change)) sum += std::min(change, kMaxChange);
    }
  }
  return sum / static_cast<double>(size_);
}

void BehaviourLog::visit(Archive& archive) {
  archive.value("size", size_, 0, capacity_);
  archive.value("head", head_, 0, capacity_ - 1);
  const auto rows = static_cast<std::int64_t>(capacity_);
  archive.replay(
      tensor_ref("behaviour.observation", observations_.data(), {rows, observation_size_}));
  archive.replay(tensor_ref("behaviour.action", actions_.data(), {rows, action_size_}));
  archive.replay("behaviour.log_prob", log_probs_);
}

}  // namespace mbrl
