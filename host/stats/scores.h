// Scores of arms over runs and tasks, as rliable takes them (Agarwal et al. 2021, arXiv:2108.13264):
// aggregates, stratified bootstrap intervals, probability of improvement, performance profiles.
#pragma once

#include <span>
#include <vector>

#include "host/stats/summary.h"

namespace mbrl {

/// One arm: for each task the scores of its runs. Tasks may have different numbers of them.
///
/// All functions below throw DataError if there is no task, a task has no run or a score is not
/// finite, and ShapeError if two arms have different numbers of tasks.
using TaskScores = std::vector<std::vector<double>>;

/// The middle value, the mean of two where their number is even.
double median_of(std::span<const double> values);

/// Of one task: mean, median and interquartile mean of its runs. Of several: mean and median of the
/// tasks' means, and the interquartile mean of all runs of all tasks.
struct Aggregates {
  double mean = 0.0, median = 0.0, interquartile_mean = 0.0;
};
Aggregates aggregates_of(const TaskScores& scores);

/// Percentile bootstrap intervals of the three, stratified by task: runs are drawn with replacement
/// within their task. Of one task that of the mean equals bootstrap_mean, bit for bit.
///
/// Cost     num_resamples * n draws and sorts of n, 10 ms for ten runs.
struct AggregateIntervals {
  Interval mean, median, interquartile_mean;
};
AggregateIntervals bootstrap_aggregates(const TaskScores& scores,
                                        const BootstrapConstants& constants = {});

/// The share of pairs in which a run of x is above one of y, a tie counting half: Mann and Whitney's
/// U over the number of pairs, its mean over tasks.
double probability_of_improvement(const TaskScores& x, const TaskScores& y);

/// Its percentile bootstrap interval: the runs of each arm are drawn within their task, those of the
/// two independently.
Interval bootstrap_improvement(const TaskScores& x, const TaskScores& y,
                               const BootstrapConstants& constants = {});

/// Share of the runs of all tasks with a score above each threshold.
std::vector<double> performance_profile(const TaskScores& scores,
                                        std::span<const double> thresholds);

/// Pointwise percentile bootstrap intervals of it, stratified by task.
std::vector<Interval> bootstrap_profile(const TaskScores& scores,
                                        std::span<const double> thresholds,
                                        const BootstrapConstants& constants = {});

/// Holm's p-values of a family of tests: the i-th smallest of m times m - i, not below the one
/// before and not above 1, in the order of the arguments.
///
/// Source   Holm 1979, "A simple sequentially rejective multiple test procedure".
std::vector<double> holm_adjusted(std::span<const double> p);

}  // namespace mbrl
