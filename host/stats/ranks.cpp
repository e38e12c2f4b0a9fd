#include "host/stats/ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace mbrl {
namespace {

constexpr std::size_t kMostPermuted = 9;

// of sums of half ranks two that are equal in exact arithmetic differ by less
constexpr double kRounding = 1e-9;

}  // namespace

std::vector<double> average_ranks(std::span<const double> values) {
  for (const double value : values)
    if (!std::isfinite(value)) throw DataError(fmt::format("ranks: {} has no place.", value));
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i)
      ranks[order[i]] = 0.5 * static_cast<double>(begin + end + 1);
    begin = end;
  }
  return ranks;
}

RankCorrelation rank_correlation(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size())
    throw ShapeError(fmt::format("rank_correlation: x has {} values, y {}; expected as many.",
                                 x.size(), y.size()));
  if (x.size() < 3)
    throw DataError(
        fmt::format("rank_correlation: {} pairs have no order; at least 3 have.", x.size()));
  std::vector<double> a = average_ranks(x), b = average_ranks(y);
  const auto n = static_cast<double>(x.size());
  // around the mean rank, which is exact
  for (std::vector<double>* ranks : {&a, &b})
    for (double& rank : *ranks) rank -= 0.5 * (n + 1.0);
  const auto product = [&](const std::vector<double>& u, const std::vector<double>& v) {
    return std::inner_product(u.begin(), u.end(), v.begin(), 0.0);
  };
  const double scale = std::sqrt(product(a, a) * product(b, b));
  if (!(scale > 0.0))
    throw DataError(
        "rank_correlation: all values of one side are equal, so that they have no order.");

  const double observed = product(a, b);
  RankCorrelation result{.rho = std::clamp(observed / scale, -1.0, 1.0),
                         .count = static_cast<int>(x.size())};
  if (x.size() <= kMostPermuted) {
    result.is_exact = true;
    std::vector<std::size_t> places(x.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::size_t as_large = 0, all = 0;
    do {
      double sum = 0.0;
      for (std::size_t i = 0; i < places.size(); ++i) sum += a[i] * b[places[i]];
      as_large += std::abs(sum) >= std::abs(observed) - kRounding ? 1 : 0;
      ++all;
    } while (std::next_permutation(places.begin(), places.end()));
    result.p = static_cast<double>(as_large) / static_cast<double>(all);
    return result;
  }
  const double rest = 1.0 - result.rho * result.rho;
  if (rest <= 0.0) {
    result.p = 0.0;
    return result;
  }
  const boost::math::students_t student(n - 2.0);
  const double t = std::abs(result.rho) * std::sqrt((n - 2.0) / rest);
  result.p = std::min(1.0, 2.0 * boost::math::cdf(boost::math::complement(student, t)));
  return result;
}

}  // namespace mbrl
