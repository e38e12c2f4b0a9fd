// Statistics for tests of random draws. Seeds are fixed, so what passes once passes always.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace mbrl {

/// Probability that a sample of a continuous law lies as far from its distribution function as this
/// one does, by Kolmogorov and Smirnov's test with Stephens' correction for small samples.
template <typename Cdf>
double kolmogorov_p(std::vector<double> sample, const Cdf& cdf) {
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  double distance = 0.0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double expected = cdf(sample[i]), below = static_cast<double>(i) / n;
    distance = std::max({distance, expected - below, below + 1.0 / n - expected});
  }
  const double root = std::sqrt(n), x = distance * (root + 0.12 + 0.11 / root);
  if (x < 0.2) return 1.0;
  double p = 0.0;
  for (int k = 1; k <= 100; ++k) p += (k % 2 == 1 ? 2.0 : -2.0) * std::exp(-2.0 * k * k * x * x);
  return std::clamp(p, 0.0, 1.0);
}

/// Distribution functions.
inline double uniform_cdf(double x, double low, double high) {
  return std::clamp((x - low) / (high - low), 0.0, 1.0);
}
inline double normal_cdf(double x, double deviation) {
  return 0.5 * std::erfc(-x / (deviation * std::sqrt(2.0)));
}

struct Mean {
  double value, standard_error;
};
inline Mean mean_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0.0, squares = 0.0;
  for (const double x : values) sum += x;
  for (const double x : values) squares += (x - sum / n) * (x - sum / n);
  return {sum / n, std::sqrt(squares / (n - 1.0) / n)};
}

inline double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean_a = mean_of(a).value, mean_b = mean_of(b).value;
  double ab = 0.0, aa = 0.0, bb = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace mbrl
