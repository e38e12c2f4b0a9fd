// Tests of hypotheses.
#pragma once

#include <span>
#include <string>

#include "host/stats/summary.h"

namespace mbrl {

struct WelchResult {
  double t = 0.0;           // of mean(a) - mean(b)
  double df = 0.0;          // degrees of freedom, Welch and Satterthwaite
  double p = 0.0;           // two-sided
  double difference = 0.0;  // mean(a) - mean(b)
  Interval interval;        // of the difference
};

/// Welch's t-test that two groups of independent runs, whose variances may differ, have the same
/// mean.
///
/// Errors   DataError naming the group if it has fewer than two values, or if no value of either
///          group differs from its mean.
/// Source   Welch 1947, "The generalization of Student's problem".
WelchResult welch_test(const std::string& name_a, std::span<const double> a,
                       const std::string& name_b, std::span<const double> b,
                       double confidence = 0.95);

}  // namespace mbrl
