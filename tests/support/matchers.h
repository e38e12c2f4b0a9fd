// Matchers that name the worst element, and what tests of operations share: tolerances, random
// data, a stream.
//
// MBRL_TOL_SCALE scales every tolerance; MBRL_TOL_SCALE=0 makes each comparison show its residual.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/networks/initialize.h"
#include "tests/support/error_text.h"

namespace mbrl {

/// Allowed |got - wanted|: absolute + relative |wanted|.
struct Tolerance {
  double relative = 0.0;
  double absolute = 0.0;
};

namespace tolerance {
constexpr Tolerance kF32{2e-6, 1e-6};  // some roundings on values of order 1
}

inline double tolerance_scale() {
  const char* text = std::getenv("MBRL_TOL_SCALE");
  return text == nullptr ? 1.0 : std::atof(text);
}

/// Every element near its expected value. NaN is near nothing. On failure: the worst element, its
/// index, both values and the error as a share of what is allowed.
class ElementsNearMatcher {
 public:
  using is_gtest_matcher = void;

  ElementsNearMatcher(std::vector<double> expected, Tolerance tolerance)
      : expected_(std::move(expected)), tolerance_(tolerance) {}

  template <typename Range>
  bool MatchAndExplain(const Range& range, std::ostream* out) const {
    const std::vector<double> got(range.begin(), range.end());
    if (got.size() != expected_.size()) {
      if (out != nullptr) *out << "which has " << got.size() << " elements";
      return false;
    }
    std::size_t worst = 0, failures = 0;
    double worst_share = -1.0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double share = share_of_tolerance(got[i], expected_[i]);
      if (!(share <= 1.0)) ++failures;
      if (share > worst_share) {
        worst_share = share;
        worst = i;
      }
    }
    if (failures == 0) return true;
    if (out != nullptr) {
      out->precision(9);
      *out << "where " << failures << " of " << got.size() << " elements are off; worst: [" << worst
           << "] is " << got[worst] << ", expected " << expected_[worst] << ", error "
           << std::fabs(got[worst] - expected_[worst]) << " = " << worst_share
           << " times the tolerance";
    }
    return false;
  }
  void DescribeTo(std::ostream* out) const {
    *out << expected_.size() << " elements within " << tolerance_.absolute << " + "
         << tolerance_.relative << " |expected|, scaled by " << tolerance_scale();
  }
  void DescribeNegationTo(std::ostream* out) const {
    *out << "not ";
    DescribeTo(out);
  }

 private:
  double share_of_tolerance(double got, double expected) const {
    if (got == expected) return 0.0;
    const double error = std::fabs(got - expected);
    if (!std::isfinite(error)) return std::numeric_limits<double>::infinity();
    const double allowed =
        tolerance_scale() * (tolerance_.absolute + tolerance_.relative * std::fabs(expected));
    return allowed > 0.0 ? error / allowed : std::numeric_limits<double>::infinity();
  }

  std::vector<double> expected_;
  Tolerance tolerance_;
};

inline testing::Matcher<const std::vector<float>&> ElementsNear(
    std::vector<double> expected, Tolerance allowed = tolerance::kF32) {
  return ElementsNearMatcher(std::move(expected), allowed);
}

/// ||got - wanted|| / ||wanted||: how sums of many products are judged, whose single elements may
/// cancel to anything.
inline double relative_error(const std::vector<float>& got, const std::vector<double>& wanted) {
  if (got.size() != wanted.size()) return std::numeric_limits<double>::infinity();
  double error = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    error += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    norm += wanted[i] * wanted[i];
  }
  return std::sqrt(error / std::max(norm, std::numeric_limits<double>::min()));
}

MATCHER_P2(NearInNorm, expected, allowed, "") {
  const double error = relative_error(arg, expected);
  if (error <= allowed * tolerance_scale()) return true;
  *result_listener << "whose error in norm is " << error << " of the norm, " << error / allowed
                   << " times the tolerance";
  return false;
}

/// Standard normals that depend on `seed` only, times `scale`.
inline std::vector<float> random_values(std::size_t count, std::uint32_t seed, float scale = 1.0f) {
  const RandomKey key{seed, purpose::kInit, 0};
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = scale * normal(key, i / 4, 0, static_cast<int>(i % 4));
  return values;
}

/// Outputs start as NaN, so an element that was not written fails its comparison.
inline std::vector<float> poisoned(std::size_t count) {
  return std::vector<float>(count, std::numeric_limits<float>::quiet_NaN());
}

inline std::vector<double> doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

template <typename T>
Vector<T> vector_of(std::vector<T>& values) {
  return {values.data(), values.size()};
}
template <typename T>
Vector<const T> vector_of(const std::vector<T>& values) {
  return {values.data(), values.size()};
}
template <typename T>
Matrix<T> matrix_of(std::vector<T>& values, int columns) {
  return {values.data(), values.size() / static_cast<std::size_t>(columns), columns};
}
template <typename T>
Matrix<const T> matrix_of(const std::vector<T>& values, int columns) {
  return {values.data(), values.size() / static_cast<std::size_t>(columns), columns};
}

/// A stream on `num_threads` host threads.
struct TestStream {
  explicit TestStream(int num_threads = 2) : pool(num_threads), stream(pool) {}
  ThreadPool pool;
  Stream stream;
  operator Stream&() { return stream; }
};

}  // namespace mbrl
