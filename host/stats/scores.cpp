#include "host/stats/scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/data/permutation.h"

namespace mbrl {
namespace {

void check_scores(const TaskScores& scores) {
  if (scores.empty()) throw DataError("statistics: there is no task to summarise.");
  for (const auto& task : scores) mean_of(task);
}

void check_pair(const TaskScores& x, const TaskScores& y) {
  check_scores(x);
  check_scores(y);
  if (x.size() != y.size())
    throw ShapeError(
        fmt::format("statistics: one arm has {} tasks and the other {}; expected the "
                    "same tasks.",
                    x.size(), y.size()));
}

// which of the four words of a draw belongs to an arm
enum class Word { kFirst, kSecond };

// one sample with replacement within each task; runs are numbered through all tasks
class Resampler {
 public:
  Resampler(const BootstrapConstants& constants, Word word = Word::kFirst)
      : key_{constants.seed, purpose::kBootstrap, 0}, word_(word) {}

  /// Calls action(task, place, index) for each draw of the sample.
  template <typename Action>
  void draw(const TaskScores& scores, std::size_t resample, Action action) const {
    std::uint32_t row = 0;
    for (std::size_t task = 0; task < scores.size(); ++task) {
      const auto n = static_cast<std::uint32_t>(scores[task].size());
      for (std::uint32_t i = 0; i < n; ++i, ++row) {
        const Philox4 bits = key_.bits(resample, row);
        action(task, i, uniform_index(word_ == Word::kFirst ? bits.x : bits.y, n));
      }
    }
  }

 private:
  RandomKey key_;
  Word word_;
};

Interval percentiles(std::vector<double>& values, double confidence) {
  std::sort(values.begin(), values.end());
  const double tail = 0.5 * (1.0 - confidence);
  const auto at = [&](double share) {
    const double position = share * static_cast<double>(values.size() - 1);
    const auto left = static_cast<std::size_t>(position);
    if (left + 1 >= values.size()) return values.back();
    return values[left] +
           (position - static_cast<double>(left)) * (values[left + 1] - values[left]);
  };
  return {at(tail), at(1.0 - tail)};
}

double median_of_sorted(const std::vector<double>& order) {
  const std::size_t half = order.size() / 2;
  return order.size() % 2 == 1 ? order[half] : 0.5 * (order[half - 1] + order[half]);
}

// in place: what is left of `all` and `means` is their order
Aggregates aggregates(std::vector<double>& all, std::vector<double>& means, double mean) {
  std::sort(all.begin(), all.end());
  std::sort(means.begin(), means.end());
  const auto cut = static_cast<std::ptrdiff_t>(all.size() / 4);
  const double middle = std::accumulate(all.begin() + cut, all.end() - cut, 0.0) /
                        static_cast<double>(all.size() - 2 * static_cast<std::size_t>(cut));
  return {mean, median_of_sorted(means.size() == 1 ? all : means), middle};
}

}  // namespace

double median_of(std::span<const double> values) {
  mean_of(values);
  std::vector<double> order(values.begin(), values.end());
  std::sort(order.begin(), order.end());
  return median_of_sorted(order);
}

Aggregates aggregates_of(const TaskScores& scores) {
  check_scores(scores);
  std::vector<double> all, means;
  for (const auto& task : scores) {
    all.insert(all.end(), task.begin(), task.end());
    means.push_back(mean_of(task));
  }
  return aggregates(all, means, mean_of(means));
}

AggregateIntervals bootstrap_aggregates(const TaskScores& scores,
                                        const BootstrapConstants& constants) {
  check_scores(scores);
  const Resampler resampler(constants);
  const auto count = static_cast<std::size_t>(constants.num_resamples);
  std::vector<double> mean(count), median(count), middle(count), all, means;
  for (std::size_t resample = 0; resample < count; ++resample) {
    all.clear();
    means.assign(scores.size(), 0.0);
    resampler.draw(scores, resample, [&](std::size_t task, std::uint32_t, std::uint32_t index) {
      all.push_back(scores[task][index]);
      means[task] += scores[task][index];
    });
    for (std::size_t task = 0; task < scores.size(); ++task)
      means[task] /= static_cast<double>(scores[task].size());
    const double of_means =
        std::accumulate(means.begin(), means.end(), 0.0) / static_cast<double>(means.size());
    const Aggregates found = aggregates(all, means, of_means);
    mean[resample] = found.mean;
    median[resample] = found.median;
    middle[resample] = found.interquartile_mean;
  }
  return {percentiles(mean, constants.confidence), percentiles(median, constants.confidence),
          percentiles(middle, constants.confidence)};
}

double probability_of_improvement(const TaskScores& x, const TaskScores& y) {
  check_pair(x, y);
  double sum = 0.0;
  for (std::size_t task = 0; task < x.size(); ++task) {
    double above = 0.0;
    for (const double a : x[task])
      for (const double b : y[task]) above += a > b ? 1.0 : a == b ? 0.5 : 0.0;
    sum += above / static_cast<double>(x[task].size() * y[task].size());
  }
  return sum / static_cast<double>(x.size());
}

Interval bootstrap_improvement(const TaskScores& x, const TaskScores& y,
                               const BootstrapConstants& constants) {
  check_pair(x, y);
  const Resampler of_x(constants), of_y(constants, Word::kSecond);
  std::vector<double> shares(static_cast<std::size_t>(constants.num_resamples));
  TaskScores drawn_x = x, drawn_y = y;
  for (std::size_t resample = 0; resample < shares.size(); ++resample) {
    of_x.draw(x, resample, [&](std::size_t task, std::uint32_t place, std::uint32_t index) {
      drawn_x[task][place] = x[task][index];
    });
    of_y.draw(y, resample, [&](std::size_t task, std::uint32_t place, std::uint32_t index) {
      drawn_y[task][place] = y[task][index];
    });
    double sum = 0.0;
    for (std::size_t task = 0; task < x.size(); ++task) {
      double above = 0.0;
      for (const double a : drawn_x[task])
        for (const double b : drawn_y[task]) above += a > b ? 1.0 : a == b ? 0.5 : 0.0;
      sum += above / static_cast<double>(x[task].size() * y[task].size());
    }
    shares[resample] = sum / static_cast<double>(x.size());
  }
  return percentiles(shares, constants.confidence);
}

std::vector<double> performance_profile(const TaskScores& scores,
                                        std::span<const double> thresholds) {
  check_scores(scores);
  std::vector<double> all;
  for (const auto& task : scores) all.insert(all.end(), task.begin(), task.end());
  std::sort(all.begin(), all.end());
  std::vector<double> shares;
  for (const double threshold : thresholds)
    shares.push_back(
        static_cast<double>(all.end() - std::upper_bound(all.begin(), all.end(), threshold)) /
        static_cast<double>(all.size()));
  return shares;
}

std::vector<Interval> bootstrap_profile(const TaskScores& scores,
                                        std::span<const double> thresholds,
                                        const BootstrapConstants& constants) {
  check_scores(scores);
  const Resampler resampler(constants);
  const auto count = static_cast<std::size_t>(constants.num_resamples);
  std::vector<std::vector<double>> shares(thresholds.size(), std::vector<double>(count));
  TaskScores drawn = scores;
  for (std::size_t resample = 0; resample < count; ++resample) {
    resampler.draw(scores, resample,
                   [&](std::size_t task, std::uint32_t place, std::uint32_t index) {
                     drawn[task][place] = scores[task][index];
                   });
    const std::vector<double> profile = performance_profile(drawn, thresholds);
    for (std::size_t i = 0; i < profile.size(); ++i) shares[i][resample] = profile[i];
  }
  std::vector<Interval> intervals;
  for (auto& values : shares) intervals.push_back(percentiles(values, constants.confidence));
  return intervals;
}

std::vector<double> holm_adjusted(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double before = 0.0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    before = std::max(before, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
    adjusted[order[i]] = before;
  }
  return adjusted;
}

}  // namespace mbrl
