// The half-normal distribution of AutoMBPO's assumption on model errors (Lai et al. 2021, appendix
// B), fitted to errors and held against them.
#pragma once

#include <span>
#include <vector>

namespace mbrl {

/// Density of |x| for normal x of deviation sigma: 2 / (sqrt(2 pi) sigma) exp(-x^2 / (2 sigma^2)).
double half_normal_density(double x, double sigma);
/// Share of it below x >= 0.
double half_normal_share(double x, double sigma);

struct HalfNormalFit {
  double sigma = 0.0;  // maximum likelihood: root of the mean square
  // Kolmogorov and Smirnov's distance: largest difference between the shares below any value. As
  // sigma comes from the same values, the usual tables of its significance do not apply
  double distance = 0.0;
};

/// Errors   DataError if there is no value, one is negative or not finite, or all are 0.
HalfNormalFit fit_half_normal(std::span<const double> values);

/// Counts in `edges.size() - 1` bins of one width from 0 to edges.back(), and beyond.
struct Histogram {
  std::vector<double> edges;
  std::vector<int> counts;
  int num_above = 0;
};

/// Errors   those of fit_half_normal.
Histogram histogram(std::span<const double> values, double end, int num_bins);

}  // namespace mbrl
