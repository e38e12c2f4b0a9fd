// Learning curves as SVG: lines with bands, drawn on white so that they read on light and dark
// pages.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mbrl {

/// A line, with a band around it if `low` and `high` are given. A point whose y is not finite, or
/// 1e300 and more, is a gap. The legend holds the names; a plot whose series have none has no legend.
struct PlotSeries {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> low = {}, high = {};
  bool dashed = false;  // for published curves beside our own

  /// A mark on the line at point `index`, and what it means.
  struct Note {
    std::size_t index;
    std::string text;
  };
  std::vector<Note> notes = {};
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

/// Several plots in one file, each with axes and legend of its own: row by row, `num_columns` side
/// by side, in cells of the largest one's size, under a common title unless it is empty.
///
/// Errors   those of svg_plot; DataError if there is no panel.
std::string svg_panels(const std::vector<Plot>& panels, int num_columns, const std::string& title);

/// A histogram as a series: its outline, filled down to 0.
///
/// Shapes   edges: one more than heights, rising.
/// Errors   ShapeError if not.
PlotSeries histogram_series(const std::string& name, const std::vector<double>& edges,
                            const std::vector<double>& heights);

/// Multiples of 1, 2 or 5 times a power of ten inside [low, high], about `count` of them.
std::vector<double> nice_ticks(double low, double high, int count);

/// "250", "25k", "1.5M".
std::string tick_text(double value);

}  // namespace mbrl
