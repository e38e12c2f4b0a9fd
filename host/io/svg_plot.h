// Learning curves as SVG: lines with bands, drawn on white so that they read on light and dark
// pages, with letters that read at a column's width.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mbrl {

/// A line, with a band around it if `low` and `high` are given. A point whose y is not finite, or
/// 1e300 and more, is a gap. The legend holds the names; a figure whose series have none has no
/// legend.
struct PlotSeries {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> low = {}, high = {};
  bool dashed = false;  // for published curves beside our own
  bool faint = false;   // thin and gray, below all others
  int color = -1;       // number in the palette; -1: its place among the series

  /// A mark on the line at point `index`, and what it means.
  struct Note {
    std::size_t index;
    std::string text;
  };
  std::vector<Note> notes = {};
};

/// Ends of an axis that are given; those that are not follow from the data.
struct AxisLimits {
  std::optional<double> low, high;
};

struct Plot {
  std::string title, x_label, y_label;
  std::vector<PlotSeries> series;
  int width = 440, height = 320;  // pixels, without title and legend
  std::string band = {};          // what the bands are, for the legend

  /// A horizontal line over the whole width.
  struct Level {
    double y;
    std::string name;
  };
  std::vector<Level> levels = {};
  AxisLimits x_limits = {}, y_limits = {};
  bool log_y = false;  // values of 0 and below are gaps; a band that reaches there is cut
};

enum class Band { kStd, kMinMax };

/// Lower and upper end of a band around the mean of the values.
using BandRule = std::function<std::pair<double, double>(std::span<const double>)>;

/// Mean and band over runs of the same experiment. runs[i] belongs to `x`; a value that is not
/// finite does not count, so runs may have gaps. kStd is the sample standard deviation, 0 for a
/// single run.
///
/// Errors   ShapeError if a run and `x` differ in length.
PlotSeries series_over_runs(const std::string& name, const std::vector<double>& x,
                            const std::vector<std::vector<double>>& runs, const BandRule& rule);
PlotSeries series_over_runs(const std::string& name, const std::vector<double>& x,
                            const std::vector<std::vector<double>>& runs, Band band);

/// The text of an SVG file; equal plots give equal bytes. The axes span what is drawn, the y axis
/// with a twentieth of headroom at each end that is not given, and have ticks at 1, 2 or 5 times a
/// power of ten. Titles, labels and names that are wider than their place are broken into lines.
///
/// Errors   ShapeError if the arrays of a series differ in length, DataError if there is nothing to
/// draw.
std::string svg_plot(const Plot& plot);

/// Several plots in one file, each with axes of its own: row by row, `num_columns` side by side, in
/// cells of the largest one's size, under a common title unless it is empty and above one legend
/// that names each line of any of them once.
///
/// Errors   those of svg_plot; DataError if there is no panel.
std::string svg_panels(const std::vector<Plot>& panels, int num_columns, const std::string& title);

/// A panel for each series with a band, all with the axes of the whole: its line before the others'
/// in gray, its name above. What has no band is in every panel.
///
/// Errors   those of svg_plot.
std::vector<Plot> panels_apart(const Plot& whole);

/// A histogram as a series: its outline, filled down to 0.
///
/// Shapes   edges: one more than heights, rising.
/// Errors   ShapeError if not.
PlotSeries histogram_series(const std::string& name, const std::vector<double>& edges,
                            const std::vector<double>& heights);

/// Multiples of 1, 2 or 5 times a power of ten inside [low, high], about `count` of them.
std::vector<double> nice_ticks(double low, double high, int count);

/// Powers of ten inside [low, high], about `count` of them; where there are few, 2 and 5 times
/// them too, and where those are few, nice_ticks.
///
/// Shapes   0 < low < high.
std::vector<double> log_ticks(double low, double high, int count);

/// The numbers of an axis: in one unit ("5k", "10k"; "0.5M", "1M") and with as many digits as tell
/// them apart.
std::vector<std::string> tick_texts(const std::vector<double>& ticks);

/// How wide a text is in DejaVu Sans, the widest of the usual fonts; in pixels.
double text_width(const std::string& text, double font_size);

/// The text in lines no wider than `width` pixels, broken at spaces and, where a word alone is
/// wider, within it; what does not fit `max_lines` is left out, and the last line ends with "...".
std::vector<std::string> lines_of(const std::string& text, double font_size, double width,
                                  int max_lines);

}  // namespace mbrl
