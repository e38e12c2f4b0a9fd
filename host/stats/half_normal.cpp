#include "host/stats/half_normal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace mbrl {
namespace {

void check_errors(std::span<const double> values) {
  if (values.empty()) throw DataError("half-normal fit: there are no errors to fit.");
  for (const double value : values)
    if (!std::isfinite(value) || value < 0.0)
      throw DataError(
          fmt::format("half-normal fit: an error is {}; expected a finite length.", value));
  if (*std::max_element(values.begin(), values.end()) == 0.0)
    throw DataError(fmt::format("half-normal fit: all {} errors are 0.", values.size()));
}

}  // namespace

double half_normal_density(double x, double sigma) {
  const double z = x / sigma;
  return std::sqrt(2.0 / std::numbers::pi) / sigma * std::exp(-0.5 * z * z);
}

double half_normal_share(double x, double sigma) {
  return std::erf(x / (sigma * std::numbers::sqrt2));
}

HalfNormalFit fit_half_normal(std::span<const double> values) {
  check_errors(values);
  const auto n = static_cast<double>(values.size());
  double squares = 0.0;
  for (const double value : values) squares += value * value;
  HalfNormalFit fit{.sigma = std::sqrt(squares / n), .distance = 0.0};

  // the empirical share jumps at each value: compare before and after
  std::vector<double> order(values.begin(), values.end());
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double share = half_normal_share(order[i], fit.sigma),
                 before = static_cast<double>(i) / n, after = static_cast<double>(i + 1) / n;
    fit.distance = std::max({fit.distance, share - before, after - share});
  }
  return fit;
}

Histogram histogram(std::span<const double> values, double end, int num_bins) {
  check_errors(values);
  Histogram h{.edges = {}, .counts = std::vector<int>(static_cast<std::size_t>(num_bins), 0)};
  for (int i = 0; i <= num_bins; ++i) h.edges.push_back(end * i / num_bins);
  for (const double value : values) {
    const auto after = std::upper_bound(h.edges.begin(), h.edges.end(), value) - h.edges.begin();
    if (after > num_bins) {
      ++h.num_above;
    } else {
      ++h.counts[after - 1];
    }
  }
  return h;
}

}  // namespace mbrl
