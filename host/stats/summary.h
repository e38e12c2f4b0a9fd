// What runs over seeds have in common: mean, spread, interquartile mean, bootstrap interval.
#pragma once

#include <span>
#include <vector>

namespace mbrl {

/// Mean and sample standard deviation (n - 1), 0 for a single value.
///
/// Errors   DataError if there is no value, or one that is not finite; so do all functions here.
double mean_of(std::span<const double> values);
double sample_std(std::span<const double> values);

/// Mean of what is left when a quarter of the values, rounded down, is cut from each end.
///
/// Source   Agarwal et al. 2021, arXiv:2108.13264, which recommends it for few runs.
double interquartile_mean(std::span<const double> values);

/// Linear between order statistics: 0 is the smallest value, 1 the largest.
double quantile(std::span<const double> values, double share);

struct Interval {
  double low = 0.0, high = 0.0;
};

struct BootstrapConstants {
  double confidence = 0.95;
  int num_resamples = 10000;
  unsigned seed = 0;
};

/// Percentile bootstrap interval of the mean. Equal values and constants give equal bits.
///
/// Cost     num_resamples * n draws, 1 ms for ten runs.
/// Source   Efron 1979, "Bootstrap methods: another look at the jackknife".
Interval bootstrap_mean(std::span<const double> values, const BootstrapConstants& constants = {});

/// All of them.
struct Summary {
  int count = 0;
  double mean = 0.0, std = 0.0, interquartile_mean = 0.0;
  Interval interval;  // of the mean
};
Summary summarize(std::span<const double> values, const BootstrapConstants& constants = {});

}  // namespace mbrl
