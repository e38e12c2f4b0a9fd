#include "host/algo/metrics.h"

#include <limits>

namespace mbrl {

int Metrics::declare(const std::string& name) {
  names_.push_back(name);
  sum_.push_back(0.0);
  count_.push_back(0);
  is_latest_.push_back(0);
  return static_cast<int>(names_.size()) - 1;
}

void Metrics::add(int index, double value) {
  sum_[index] += value;
  ++count_[index];
}

void Metrics::set(int index, double value) {
  sum_[index] = value;
  count_[index] = 1;
  is_latest_[index] = 1;
}

std::vector<double> Metrics::take() {
  std::vector<double> values;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    values.push_back(count_[i] == 0 ? std::numeric_limits<double>::quiet_NaN()
                                    : sum_[i] / static_cast<double>(count_[i]));
    if (is_latest_[i]) continue;
    sum_[i] = 0.0;
    count_[i] = 0;
  }
  return values;
}

nlohmann::json Metrics::state() const {
  return {{"sum", sum_}, {"count", count_}, {"is_latest", is_latest_}};
}

void Metrics::set_state(const nlohmann::json& state) {
  sum_ = state.at("sum").get<std::vector<double>>();
  count_ = state.at("count").get<std::vector<std::int64_t>>();
  is_latest_ = state.at("is_latest").get<std::vector<std::uint8_t>>();
}

}  // namespace mbrl
