#include "host/schedule/rollout_schedule.h"

#include <algorithm>
#include <cmath>

namespace mbrl {

int rollout_length_at(const std::vector<float>& schedule, int epoch) {
  const double e0 = schedule[0], e1 = schedule[1], k0 = schedule[2], k1 = schedule[3];
  if (epoch <= e0) return static_cast<int>(k0);
  const double share = std::min((epoch - e0) / (e1 - e0), 1.0);
  return static_cast<int>(share * (k1 - k0) + k0);
}

int max_rollout_length(const Config& config) {
  return static_cast<int>(std::max(config.rollout.schedule[2], config.rollout.schedule[3]));
}

int rollout_interval(const Config& config) {
  return config.rollout.interval > 0 ? config.rollout.interval : config.loop.model_train_interval;
}

std::size_t model_replay_capacity(const Config& config, int rollout_length) {
  // no machine holds more, and a size_t of bytes just does
  constexpr double kMost = 1e15;
  const double per_epoch = static_cast<double>(rollout_length) * config.rollout.batch_size *
                           config.loop.epoch_length / rollout_interval(config);
  return static_cast<std::size_t>(
      std::min(config.rollout.retain_epochs * std::floor(std::min(per_epoch, kMost)), kMost));
}

}  // namespace mbrl
