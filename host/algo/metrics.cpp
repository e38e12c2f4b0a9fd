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
  is_latest_.push_back(0);
}

void Metrics::add(Metric metric, double value) {
  sum_[metric.index] += value;
  ++count_[metric.index];
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

void Metrics::visit(Archive& archive) {
  const Archive::Section section(archive, "metrics");
  archive.value("sum", sum_);
  archive.values("count", count_, 0, kMaxCount);
  archive.value("is_latest", is_latest_);
}

}  // namespace mbrl
