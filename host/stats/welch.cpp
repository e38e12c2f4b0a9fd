#include "host/stats/welch.h"

#include <fmt/format.h>

#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "base/error.h"

namespace mbrl {
namespace {

void check_count(const std::string& name, std::span<const double> values) {
  if (values.size() < 2)
    throw DataError(
        fmt::format("Welch's test: {} has {} run{}; a variance needs at least 2. Train more seeds "
                    "(`mbrl_gpu run <config> seed=1`).",
                    name, values.size(), values.size() == 1 ? "" : "s"));
}

}  // namespace

WelchResult welch_test(const std::string& name_a, std::span<const double> a,
                       const std::string& name_b, std::span<const double> b, double confidence) {
  check_count(name_a, a);
  check_count(name_b, b);
  // squared standard errors of the two means
  const double n_a = static_cast<double>(a.size()), n_b = static_cast<double>(b.size());
  const double error_a = std::pow(sample_std(a), 2) / n_a,
               error_b = std::pow(sample_std(b), 2) / n_b, error = error_a + error_b;
  if (!(error > 0.0))
    throw DataError(
        fmt::format("Welch's test: all runs of {} give {} and all of {} give {}; without spread "
                    "there is no t statistic. Are they copies of one run?",
                    name_a, mean_of(a), name_b, mean_of(b)));

  WelchResult result;
  result.difference = mean_of(a) - mean_of(b);
  result.t = result.difference / std::sqrt(error);
  // shares of the error: their squares do not underflow where the errors' would
  const double share_a = error_a / error, share_b = error_b / error;
  result.df = 1.0 / (share_a * share_a / (n_a - 1.0) + share_b * share_b / (n_b - 1.0));

  namespace bm = boost::math;
  const bm::students_t student(result.df);
  result.p = 2.0 * bm::cdf(bm::complement(student, std::abs(result.t)));
  const double half =
      bm::quantile(bm::complement(student, 0.5 * (1.0 - confidence))) * std::sqrt(error);
  result.interval = {result.difference - half, result.difference + half};
  return result;
}

}  // namespace mbrl
