#include "host/stats/importance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace mbrl {
namespace {

// the numbers of the reference
constexpr std::size_t kNumCells = 50;
constexpr double kLeastMass = 1e-12;

struct Grid {
  std::size_t num_cells;
  std::vector<std::size_t> cells;  // of each trial
};

Grid grid_of(const ImportanceAxis& axis, std::size_t place) {
  const auto refuse = [&](double value) {
    throw DataError(
        fmt::format("ped_anova: key {} has {}, which is no value of its.", place, value));
  };
  Grid grid{.num_cells = axis.num_choices, .cells = {}};
  if (axis.num_choices > 0) {
    for (const double value : axis.values) {
      if (!(value >= 0.0 && value < static_cast<double>(axis.num_choices))) refuse(value);
      grid.cells.push_back(static_cast<std::size_t>(value));
    }
    return grid;
  }
  if (!(std::isfinite(axis.low) && std::isfinite(axis.high) && axis.low <= axis.high &&
        (!axis.log || axis.low > 0.0) && axis.step >= 0.0))
    throw DataError(fmt::format("ped_anova: key {} goes from {} to {}{} in steps of {}.", place,
                                axis.low, axis.high, axis.log ? " in the logarithm" : "",
                                axis.step));
  grid.num_cells = kNumCells;
  if (axis.step > 0.0) {
    const double num_steps = (axis.high - axis.low) / axis.step;
    const double most = axis.log ? std::ceil(std::log(num_steps + 1.0) / std::log(2.0)) + 1.0
                                 : std::nearbyint(num_steps) + 1.0;
    grid.num_cells = static_cast<std::size_t>(std::min(most, 1.0 * kNumCells));
  }
  if (axis.low == axis.high || axis.high - axis.low < axis.step) grid.num_cells = 1;
  if (grid.num_cells == 1) {
    grid.cells.assign(axis.values.size(), 0);
    return grid;
  }
  const auto scaled = [&](double value) { return axis.log ? std::log(value) : value; };
  const double low = scaled(axis.low);
  const double width = (scaled(axis.high) - low) / (static_cast<double>(grid.num_cells) - 1.0);
  for (const double value : axis.values) {
    if (!std::isfinite(value) || (axis.log && value <= 0.0)) refuse(value);
    // half way between two it is the lower one
    const double cell = std::ceil((scaled(value) - low) / width - 0.5);
    grid.cells.push_back(
        static_cast<std::size_t>(std::clamp(cell, 0.0, static_cast<double>(grid.num_cells) - 1.0)));
  }
  return grid;
}

// of a standard normal variable between two ends, also far out
double normal_mass(double low, double high) {
  const double root = std::sqrt(2.0);
  if (low > 0.0) return 0.5 * (std::erfc(low / root) - std::erfc(high / root));
  if (high < 0.0) return 0.5 * (std::erfc(-high / root) - std::erfc(-low / root));
  return 0.5 * (std::erf(high / root) - std::erf(low / root));
}

// adds a normal distribution around a cell, cut at the ends of the grid and summed over each cell
void add_normal(std::vector<double>& density, double center, double deviation, double weight) {
  const auto n = static_cast<double>(density.size());
  const double all = normal_mass((-0.5 - center) / deviation, (n - 0.5 - center) / deviation);
  for (std::size_t k = 0; k < density.size(); ++k) {
    const double at = static_cast<double>(k) - center;
    density[k] += weight * normal_mass((at - 0.5) / deviation, (at + 0.5) / deviation) / all;
  }
}

double bandwidth(const std::vector<std::size_t>& cells, const std::vector<double>& counts,
                 double total) {
  double mean = 0.0, variance = 0.0;
  for (std::size_t i = 0; i < cells.size(); ++i)
    mean += static_cast<double>(cells[i]) * counts[i] / total;
  for (std::size_t i = 0; i < cells.size(); ++i)
    variance +=
        std::pow(static_cast<double>(cells[i]) - mean, 2) * counts[i] / std::max(1.0, total - 1.0);
  double below = 0.0;
  std::size_t first = cells.size() - 1, third = cells.size() - 1;
  bool has_first = false, has_third = false;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    below += counts[i];
    if (!has_first && below >= std::floor(total / 4.0)) first = i, has_first = true;
    if (!has_third && below > std::floor(3.0 * total / 4.0)) third = i, has_third = true;
  }
  const double range = static_cast<double>(cells[third] - cells[first]);
  // at least so much that a cell holds nine tenths of its own
  return std::max(1.059 * std::min(range / 1.34, std::sqrt(variance)) * std::pow(total, -0.2),
                  0.5 / 1.64);
}

// density over the cells: a kernel on each that is occupied, and a prior of the weight of one trial
std::vector<double> density_of(const Grid& grid, bool chooses,
                               const std::vector<std::size_t>& trials) {
  std::vector<double> counts(grid.num_cells);
  for (const std::size_t trial : trials) counts[grid.cells[trial]] += 1.0;
  std::vector<std::size_t> occupied;
  std::vector<double> weights;
  for (std::size_t k = 0; k < grid.num_cells; ++k)
    if (counts[k] > 0.0) {
      occupied.push_back(k);
      weights.push_back(counts[k]);
    }
  const auto total = static_cast<double>(trials.size());
  const auto n = static_cast<double>(grid.num_cells);
  std::vector<double> density(grid.num_cells);
  if (chooses) {
    const double share = 1.0 / (static_cast<double>(occupied.size()) + 1.0);
    for (std::size_t i = 0; i < occupied.size(); ++i)
      for (std::size_t k = 0; k < grid.num_cells; ++k)
        density[k] += weights[i] / (total + 1.0) * ((k == occupied[i] ? 1.0 : 0.0) + share) /
                      (1.0 + n * share);
    for (double& value : density) value += 1.0 / n / (total + 1.0);
  } else {
    const double width = bandwidth(occupied, weights, total);
    for (std::size_t i = 0; i < occupied.size(); ++i)
      add_normal(density, static_cast<double>(occupied[i]), width, weights[i] / (total + 1.0));
    add_normal(density, 0.5 * (n - 1.0), n, 1.0 / (total + 1.0));
  }
  for (double& value : density) value += kLeastMass;
  return density;
}

}  // namespace

Importance ped_anova(std::span<const double> returns, std::span<const ImportanceAxis> axes,
                     double top) {
  if (returns.size() < 2)
    throw DataError(fmt::format("ped_anova: {} trial{}; there is nothing to compare.",
                                returns.size(), returns.size() == 1 ? "" : "s"));
  for (const double value : returns)
    if (!std::isfinite(value)) throw DataError(fmt::format("ped_anova: a return is {}.", value));
  std::vector<double> sorted(returns.begin(), returns.end());
  std::sort(sorted.rbegin(), sorted.rend());
  const auto count = static_cast<std::size_t>(
      std::ceil(std::clamp(top, 0.0, 1.0) * static_cast<double>(returns.size())));
  const double least = sorted[std::clamp<std::size_t>(count, 1, sorted.size()) - 1];
  std::vector<std::size_t> all(returns.size()), best;
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (const std::size_t i : all)
    if (returns[i] >= least) best.push_back(i);

  Importance result{.values = {}, .shares = {}, .num_top = best.size(), .num_trials = all.size()};
  const double share = static_cast<double>(best.size()) / static_cast<double>(all.size());
  for (std::size_t a = 0; a < axes.size(); ++a) {
    const ImportanceAxis& axis = axes[a];
    if (axis.values.size() != returns.size())
      throw ShapeError(fmt::format("ped_anova: key {} has {} values of {} trials.", a,
                                   axis.values.size(), returns.size()));
    const Grid grid = grid_of(axis, a);
    double divergence = 0.0;
    if (grid.num_cells > 1) {
      const std::vector<double> among_best = density_of(grid, axis.num_choices > 0, best);
      const std::vector<double> among_all = density_of(grid, axis.num_choices > 0, all);
      for (std::size_t k = 0; k < grid.num_cells; ++k)
        divergence += among_all[k] * std::pow(among_best[k] / among_all[k] - 1.0, 2);
    }
    result.values.push_back(share * share * divergence);
  }
  const double sum = std::accumulate(result.values.begin(), result.values.end(), 0.0);
  for (const double value : result.values) result.shares.push_back(sum > 0.0 ? value / sum : 0.0);
  return result;
}

}  // namespace mbrl
