// Ranks, and how well two orders agree.
#pragma once

#include <span>
#include <vector>

namespace mbrl {

/// The rank of each value, 1 for the smallest; equal ones share the mean of their ranks.
///
/// Errors   DataError if a value is not finite.
std::vector<double> average_ranks(std::span<const double> values);

struct RankCorrelation {
  double rho = 0.0;       // Spearman's
  double p = 1.0;         // two-sided: how often an order without any relation gives as much
  bool is_exact = false;  // p counts permutations; else it is from Student's t
  int count = 0;          // pairs
};

/// Spearman's rank correlation: Pearson's of the average ranks. Up to 9 pairs p is the share of all
/// permutations of y whose |rho| is as large, beyond that it comes from t = rho sqrt((n - 2) / (1 -
/// rho^2)) with n - 2 degrees of freedom.
///
/// Errors   ShapeError if the two differ in length; DataError for fewer than 3 pairs, a value that
///          is not finite, or values of one side that are all equal.
/// Cost     9! permutations at the most, 20 ms.
/// Source   Spearman 1904; between budgets of a search as in Zhang et al. 2021, arXiv:2102.13651,
///          section 5.3.
RankCorrelation rank_correlation(std::span<const double> x, std::span<const double> y);

}  // namespace mbrl
