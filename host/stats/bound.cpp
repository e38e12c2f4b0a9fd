#include "host/stats/bound.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/tools/minima.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"

namespace mbrl {
namespace {

void check(bool possible, const char* name, double value, const char* expected) {
  if (!possible)
    throw ConfigError(fmt::format("bound: {} is {}; expected {}.", name, value, expected));
}

bool at_least(double value, double least) { return std::isfinite(value) && value >= least; }

void check_constants(const BoundConstants& c, double num_real) {
  check(c.gamma > 0.0 && c.gamma < 1.0, "gamma", c.gamma, "a number in (0, 1)");
  check(at_least(c.concentrability, 0.0), "C", c.concentrability, "a number >= 0");
  check(at_least(c.bellman_error, 0.0), "d", c.bellman_error, "a number >= 0");
  check(at_least(c.p, 1.0), "p", c.p, "a number >= 1");
  check(at_least(c.num_actions, 1.0), "|A|", c.num_actions, "a number >= 1");
  check(at_least(c.num_iterations, 1.0), "K", c.num_iterations, "a number >= 1");
  check(c.delta > 0.0 && c.delta < 1.0, "delta", c.delta, "a number in (0, 1)");
  check(at_least(c.sigma, 0.0), "sigma", c.sigma, "a number >= 0");
  check(at_least(c.v_max, 0.0), "Vmax", c.v_max, "a number >= 0");
  for (const double scale : {c.sampling_scale, c.model_scale, c.iteration_scale})
    check(at_least(scale, 0.0), "a constant of O()", scale, "a number >= 0");
  // N_real / (beta |A|) states are sampled: fewer than one mean nothing, at any ratio
  check(at_least(num_real, c.num_actions), "N_real", num_real, "at least |A|, one state");
}

// `rest` is 1 - ratio, apart: near 1 the difference would have lost its digits
BoundTerms terms_at(const BoundConstants& c, double num_real, double ratio, double rest) {
  BoundTerms terms;
  terms.approximation = 2.0 * c.gamma / ((1.0 - c.gamma) * (1.0 - c.gamma)) *
                        std::pow(c.concentrability, 1.0 / c.p) * c.bellman_error;
  const double num_states = num_real / (ratio * c.num_actions);
  terms.sampling =
      c.sampling_scale *
      std::pow((std::log(num_states) + std::log(c.num_iterations / c.delta)) / num_states,
               0.5 / c.p);
  if (const double tail = ratio * c.delta / (8.0 * c.num_iterations * num_real * rest); tail < 0.5)
    terms.model = c.model_scale * c.sigma *
                  boost::math::quantile(boost::math::complement(boost::math::normal(), tail));
  terms.iterations = c.iteration_scale * std::pow(c.gamma, c.num_iterations / c.p) * c.v_max;
  return terms;
}

// the constants of a search for the best ratio
void check_best(const BoundConstants& c, double num_real) {
  check_constants(c, num_real);
  check(c.sigma * c.model_scale > 0.0, "sigma, times its constant of O(),", c.sigma * c.model_scale,
        "a number > 0: a perfect model needs no real samples");
}

double ratio_of(double logit) { return 1.0 / (1.0 + std::exp(-logit)); }

}  // namespace

BoundTerms return_bound(const BoundConstants& c, double num_real, double real_ratio) {
  check_constants(c, num_real);
  check(real_ratio > 0.0 && real_ratio <= 1.0, "the real ratio", real_ratio, "a number in (0, 1]");
  return terms_at(c, num_real, real_ratio, 1.0 - real_ratio);
}

std::optional<double> estimated_inner_ratio(const BoundConstants& c, double num_real) {
  check_best(c, num_real);
  if (c.p != 1.0) return std::nullopt;
  // z and L hold the ratio in logarithms alone: a few rounds settle it
  double ratio = 1e-3;
  for (int round = 0; round < 50; ++round) {
    const double tail = ratio * c.delta / (8.0 * c.num_iterations * num_real);
    const double z = boost::math::quantile(boost::math::complement(boost::math::normal(), tail));
    const double l =
        std::log(num_real / (ratio * c.num_actions)) + std::log(c.num_iterations / c.delta);
    const double root = 2.0 * c.model_scale * c.sigma / (c.sampling_scale * z);
    ratio = std::clamp(root * root * num_real / (c.num_actions * (l - 1.0)), 1e-250, 1.0);
  }
  return ratio;
}

BestRatio best_real_ratio(const BoundConstants& c, double num_real) {
  check_best(c, num_real);
  const auto at_logit = [&](double logit) {
    return terms_at(c, num_real, ratio_of(logit), ratio_of(-logit));
  };
  const auto bound = [&](double logit) { return at_logit(logit).total(); };

  // from ratios that stand for none, which a large p asks for, up to where the model term ends
  const double low = std::log(1e-250), high = std::log(4.0 * c.num_iterations * num_real / c.delta);
  constexpr int kPoints = 4000;
  const auto logit_at = [&](int i) { return low + (high - low) * i / kPoints; };
  std::vector<double> value(kPoints + 1);
  for (int i = 0; i <= kPoints; ++i) value[i] = bound(logit_at(i));

  BestRatio best{.ratio = 1.0, .terms = terms_at(c, num_real, 1.0, 0.0), .inner_ratio = {}};
  double inner_value = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kPoints; ++i) {
    if (!((i == 0 || value[i] < value[i - 1]) && value[i] <= value[i + 1])) continue;
    // golden section with parabolic steps; at half the digits, since a minimum is flat
    const double logit =
        boost::math::tools::brent_find_minima(bound, logit_at(std::max(i - 1, 0)), logit_at(i + 1),
                                              std::numeric_limits<double>::digits / 2)
            .first;
    const BoundTerms terms = at_logit(logit);
    if (terms.total() < inner_value) {
      best.inner_ratio = ratio_of(logit);
      inner_value = terms.total();
    }
    if (terms.total() < best.terms.total()) {
      best.ratio = ratio_of(logit);
      best.terms = terms;
    }
  }
  return best;
}

}  // namespace mbrl
