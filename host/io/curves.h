// Learning curves read back from tables that runs leave behind.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace mbrl {

/// A column over environment steps, in rising order of steps.
struct Curve {
  std::vector<double> x, y;

  /// Linear between points, NaN outside.
  double at(double position) const;
};

/// A table that is as it should be but holds no row, as that of a run that has just begun.
struct NoRows : DataError {
  using DataError::DataError;
};

/// Columns env_steps and `column` of a table; rows where either is empty are left out, and lines
/// that start with # before the header.
///
/// Errors   ReadError; NoRows; DataError if the table lacks a column, does not rise in steps or holds
///          a step below 0 or beyond 1e15.
Curve read_curve(const std::filesystem::path& path, const std::string& column);

/// A table, or every file called `table` and seed-*.csv below a folder, seed-2 before seed-10
/// (folders.h says what is below).
///
/// Errors   DataError if there is none.
std::vector<std::filesystem::path> find_tables(const std::filesystem::path& path,
                                               const std::string& table = "metrics.csv");

/// What "NAME=PATH" or "PATH" means: the latter where it exists, although it may hold a "=". A path
/// alone is named by its last part, a run's folder <name>/<hash>/seed-<n> by its name and seed, also
/// behind a link such as latest. The name may be shown; the path is that of run_path.
std::pair<std::string, std::filesystem::path> name_and_path(const std::string& text);

/// The curves of all tables of a path. One that cannot be read or has no rows yet is left out, and
/// standard error says so.
///
/// Errors   those of read_curve; if none is left, what was wrong with the first.
std::vector<Curve> read_curves(const std::filesystem::path& path, const std::string& column,
                               const std::string& table = "metrics.csv");

/// Means of y over `num_bins` spans of equal length, each at its end; spans without a row are left
/// out. Turns choices of yes or no into shares.
Curve binned(const Curve& curve, int num_bins);

/// The steps that all curves cover; low > high if there are none.
struct StepRange {
  double low, high;
};
StepRange common_range(const std::vector<Curve>& curves);

/// Area under the curve between two steps over their distance: the mean of its lines between
/// points, whatever the spacing of evaluations. The value there if low == high. The curve has to
/// cover the range.
double mean_over(const Curve& curve, StepRange range);

/// The last value measured at or before `step`.
double last_value(const Curve& curve, double step);

}  // namespace mbrl
