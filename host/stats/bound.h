// The return bound of fitted value iteration on a mixture of real and imagined samples, and the
// real ratio that minimises it (Lai et al. 2021, "On effective scheduling of model-based
// reinforcement learning", theorem 4.1, equation 8).
#pragma once

#include <optional>

namespace mbrl {

/// What the bound depends on besides the real ratio and the number of real samples. `scale` stands
/// for the constants that O() leaves open, in the order of the terms that have one.
struct BoundConstants {
  double gamma = 0.99;           // discount
  double concentrability = 1.0;  // C: discounted-average concentrability coefficient
  double bellman_error = 0.0;    // d: inherent Bellman error, in value units
  double p = 1.0;                // of the L^p norm
  double num_actions = 1.0;      // |A|
  double num_iterations = 1000;  // K
  double delta = 0.05;           // the bound holds with probability 1 - delta
  double sigma = 0.01;           // of the half-normal model error, in observation units
  double v_max = 100.0;          // r_max / (1 - gamma)
  double sampling_scale = 1.0, model_scale = 1.0, iteration_scale = 1.0;
};

/// The four summands, in value units.
struct BoundTerms {
  double approximation = 0.0;  // 2 gamma / (1 - gamma)^2 C^(1/p) d
  double sampling = 0.0;       // ((log N + log(K / delta)) / N)^(1 / 2p), N = N_real / (beta |A|)
  double model = 0.0;          // Phi^-1(1 - beta delta / (8 K N_real (1 - beta))) sigma
  double iterations = 0.0;     // gamma^(K / p) V_max
  double total() const { return approximation + sampling + model + iterations; }
};

/// The bound at a real ratio in (0, 1].
///
/// The model term is 0 from where its argument of Phi^-1 is 1/2 or less: equation 11 then asks
/// nothing of sigma, and at a ratio of 1 there is no imagined sample.
///
/// Errors   ConfigError naming the constant that is impossible, or N_real below |A|.
BoundTerms return_bound(const BoundConstants& constants, double num_real, double real_ratio);

struct BestRatio {
  double ratio = 1.0;
  BoundTerms terms;  // there
  // the lowest minimum among ratios that still use the model, if there is one
  std::optional<double> inner_ratio;
};

/// Minimum over the real ratio, ends included.
///
/// Of the ratios that use the model the best one rises with N_real, nearly in proportion, as the
/// paper says. But it never becomes large: for sigma from 1e-4 to 1, p of 1, 2 and 5 and |A| of 1
/// and 100 it is below 0.0013 when a ratio of 1, which has no model term, overtakes it. So the
/// minimum jumps to it. Other constants of O() scale sigma against the sampling term and change
/// nothing in that.
///
/// The sampling term rises with the ratio, slowly and over many decades; the model term falls
/// slowly and then, within about delta / (K N_real) of 1, to 0. So the search runs over the logit
/// of the ratio, which resolves both ends: a grid, golden section around each of its minima, and 1,
/// for which ratios stand where the model term is 0.
///
/// Errors   those of return_bound; ConfigError if sigma is 0.
/// Cost     4000 evaluations, 1 ms.
BestRatio best_real_ratio(const BoundConstants& constants, double num_real);

/// The inner minimum in closed form, for p = 1; nothing for another p.
///
/// Setting the derivative of sampling + model to 0 leaves
///   ratio = (2 c3 sigma / (c2 z))^2 N_real / (|A| (L - 1)),
/// with z the quantile of the model term, 6 to 8 for any plausible constants, L = log N +
/// log(K / delta), c2 and c3 the constants of O() of the two terms: in proportion to N_real, but for
/// logarithms. Within a few per cent of best_real_ratio's inner_ratio where that is far below 1.
///
/// Errors   those of best_real_ratio.
std::optional<double> estimated_inner_ratio(const BoundConstants& constants, double num_real);

}  // namespace mbrl
