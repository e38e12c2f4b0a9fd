#include "host/stats/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/data/permutation.h"

namespace mbrl {
namespace {

void check_values(std::span<const double> values) {
  if (values.empty()) throw DataError("statistics: there are no values to summarise.");
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      throw DataError(fmt::format("statistics: value {} of {} is {}; expected a finite number.", i,
                                  values.size(), values[i]));
}

std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> order(values.begin(), values.end());
  std::sort(order.begin(), order.end());
  return order;
}

double mean_between(const double* begin, const double* end) {
  return std::accumulate(begin, end, 0.0) / static_cast<double>(end - begin);
}

double quantile_of_sorted(const std::vector<double>& order, double share) {
  const double position = share * static_cast<double>(order.size() - 1);
  const auto left = static_cast<std::size_t>(position);
  if (left + 1 >= order.size()) return order.back();
  return order[left] + (position - static_cast<double>(left)) * (order[left + 1] - order[left]);
}

}  // namespace

double mean_of(std::span<const double> values) {
  check_values(values);
  return mean_between(values.data(), values.data() + values.size());
}

double sample_std(std::span<const double> values) {
  const double mean = mean_of(values);
  // equal values: their mean may be off by a rounding, their spread is not
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  if (*low == *high) return 0.0;
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double interquartile_mean(std::span<const double> values) {
  check_values(values);
  const std::vector<double> order = sorted(values);
  const std::size_t cut = order.size() / 4;
  return mean_between(order.data() + cut, order.data() + order.size() - cut);
}

double quantile(std::span<const double> values, double share) {
  check_values(values);
  return quantile_of_sorted(sorted(values), share);
}

Interval bootstrap_mean(std::span<const double> values, const BootstrapConstants& constants) {
  check_values(values);
  const RandomKey key{constants.seed, purpose::kBootstrap, 0};
  const auto n = static_cast<std::uint32_t>(values.size());
  std::vector<double> means(static_cast<std::size_t>(constants.num_resamples));
  for (std::size_t resample = 0; resample < means.size(); ++resample) {
    double sum = 0.0;
    for (std::uint32_t i = 0; i < n; ++i) sum += values[uniform_index(key.bits(resample, i).x, n)];
    means[resample] = sum / n;
  }
  std::sort(means.begin(), means.end());
  const double tail = 0.5 * (1.0 - constants.confidence);
  return {quantile_of_sorted(means, tail), quantile_of_sorted(means, 1.0 - tail)};
}

Summary summarize(std::span<const double> values, const BootstrapConstants& constants) {
  return {static_cast<int>(values.size()), mean_of(values), sample_std(values),
          interquartile_mean(values), bootstrap_mean(values, constants)};
}

}  // namespace mbrl
