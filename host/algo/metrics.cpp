#include "host/algo/metrics.h"

#include <limits>
#include <utility>

namespace mbrl {

Metric Metrics::declare(const std::string& name) {
  declare(name, nullptr);
  return {names_.size() - 1};
}

void Metrics::declare(const std::string& name, std::function<double()> current) {
  names_.push_back(name);
  current_.push_back(std::move(current));
  sum_.push_back(0.0);
  count_.push_back(0);
  recent_sum_.push_back(0.0);
  recent_count_.push_back(0);
  is_latest_.push_back(0);
}

void Metrics::add(Metric metric, double value) {
  sum_[metric.index] += value;
  ++count_[metric.index];
  recent_sum_[metric.index] += value;
  ++recent_count_[metric.index];
}

std::vector<double> Metrics::take() {
  std::vector<double> values;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (current_[i]) {
      sum_[i] = current_[i]();
      count_[i] = 1;
      is_latest_[i] = 1;
    }
    values.push_back(count_[i] == 0 ? std::numeric_limits<double>::quiet_NaN()
                                    : sum_[i] / static_cast<double>(count_[i]));
    if (current_[i]) continue;
    sum_[i] = 0.0;
    count_[i] = 0;
  }
  return values;
}

std::vector<double> Metrics::take_recent() {
  std::vector<double> values;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto count = static_cast<double>(recent_count_[i]);
    values.push_back(current_[i]             ? current_[i]()
                     : recent_count_[i] == 0 ? std::numeric_limits<double>::quiet_NaN()
                                             : recent_sum_[i] / count);
    recent_sum_[i] = 0.0;
    recent_count_[i] = 0;
  }
  return values;
}

void Metrics::visit(Archive& archive) {
  const Archive::Section section(archive, "metrics");
  archive.value("sum", sum_);
  archive.values("count", count_, 0, kMaxCount);
  archive.value("is_latest", is_latest_);
  // checkpoints of earlier versions have none
  if (archive.loading() && !archive.has("recent_sum")) return;
  archive.value("recent_sum", recent_sum_);
  archive.values("recent_count", recent_count_, 0, kMaxCount);
}

}  // namespace mbrl
