// Learning curves as SVG: lines with bands, drawn on white so that they read on light and dark
// pages.
#pragma once

#include <string>
#include <vector>

namespace mbrl {

/// A line, with a band around it if `low` and `high` are given. A point whose y is not finite is a
/// gap.
struct PlotSeries {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> low = {}, high = {};
  bool dashed = false;  // for published curves beside our own
};

struct Plot {
  std::string title, x_label, y_label;
  std::vector<PlotSeries> series;
  int width = 720, height = 460;  // pixels
};

enum class Band { kStd, kMinMax };

/// Mean and band over runs of the same experiment. runs[i] belongs to `x`; a value that is not
/// finite does not count, so runs may have gaps. kStd is the sample standard deviation, 0 for a
/// single run.
///
/// Errors   ShapeError if a run and `x` differ in length.
PlotSeries series_over_runs(const std::string& name, const std::vector<double>& x,
                            const std::vector<std::vector<double>>& runs, Band band);

/// The text of an SVG file; equal plots give equal bytes. Both axes span the data and have ticks at
/// 1, 2 or 5 times a power of ten.
///
/// Errors   ShapeError if the arrays of a series differ in length, DataError if there is nothing to
/// draw.
std::string svg_plot(const Plot& plot);

/// Multiples of 1, 2 or 5 times a power of ten inside [low, high], about `count` of them.
std::vector<double> nice_ticks(double low, double high, int count);

/// "250", "25k", "1.5M".
std::string tick_text(double value);

}  // namespace mbrl
