#include "host/io/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/printable.h"

namespace mbrl {
namespace {

// Okabe and Ito's colours, which colour-blind readers can tell apart
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#56b4e9", "#e69f00", "#555555"};

constexpr int kFontSize = 13, kLetterWidth = 7, kLegendRow = 20, kTitleHeight = 32;  // pixels

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& text,
                    const std::string& more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, escaped(text));
}

// what is drawn: differences of larger values have no double, widths of smaller ones no inverse
constexpr double kLargest = 1e300, kSmallest = 1e-300;
bool drawable(double value) { return std::abs(value) < kLargest; }

struct Range {
  double low = std::numeric_limits<double>::infinity(),
         high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    if (!drawable(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
  // A flat line still needs a height, and so does one whose rise is rounding alone: between ticks
  // closer than that a double has no number left.
  void widen() {
    const double size = std::max(std::abs(low), std::abs(high));
    if (high - low <= 1e-9 * size || size < kSmallest) {
      const double margin = size < kSmallest ? 1.0 : 0.1 * size;
      low -= margin;
      high += margin;
    }
  }
};

// from data to pixels
struct Frame {
  Range x, y;
  double left, right, top, bottom;

  double px(double value) const {
    return left + (value - x.low) / (x.high - x.low) * (right - left);
  }
  double py(double value) const {
    return bottom - (value - y.low) / (y.high - y.low) * (bottom - top);
  }
  std::string point(double at_x, double at_y) const {
    return fmt::format("{:.1f},{:.1f}", px(at_x), py(at_y));
  }
};

bool has_band(const PlotSeries& series) { return !series.low.empty(); }

bool drawn(const PlotSeries& series, std::size_t i, bool band) {
  return drawable(series.x[i]) && drawable(series.y[i]) &&
         (!band || (drawable(series.low[i]) && drawable(series.high[i])));
}

void check_lengths(const PlotSeries& series) {
  const std::size_t n = series.x.size();
  const bool band_fits =
      series.low.size() == series.high.size() && (series.low.empty() || series.low.size() == n);
  if (series.y.size() != n || !band_fits)
    throw ShapeError(fmt::format("svg_plot: {} has {} x, {} y, {} low and {} high values.",
                                 series.name, n, series.y.size(), series.low.size(),
                                 series.high.size()));
}

Frame make_frame(const Plot& plot, int legend_rows) {
  Frame frame{};
  for (const PlotSeries& series : plot.series) {
    check_lengths(series);
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!drawn(series, i, false)) continue;
      frame.x.include(series.x[i]);
      frame.y.include(series.y[i]);
      if (has_band(series)) {
        frame.y.include(series.low[i]);
        frame.y.include(series.high[i]);
      }
    }
  }
  if (frame.x.empty())
    throw DataError(
        fmt::format("plot {}: there is nothing to draw; none of the {} series has a finite point.",
                    plot.title, plot.series.size()));
  frame.x.widen();
  frame.y.widen();
  // room for the numbers of the y axis, its label, the title and the legend
  frame.left = 70;
  frame.right = plot.width - 20.0;
  frame.top = 40;
  frame.bottom = plot.height - 56.0 - kLegendRow * legend_rows;
  return frame;
}

// runs of consecutive points that are drawn: [first, last)
template <typename Action>
void for_each_run(const PlotSeries& series, bool band, Action action) {
  for (std::size_t i = 0; i < series.x.size();) {
    std::size_t end = i;
    while (end < series.x.size() && drawn(series, end, band)) ++end;
    if (end > i) action(i, end);
    i = end + 1;
  }
}

std::string axes(const Plot& plot, const Frame& frame) {
  std::string svg;
  for (const double tick : nice_ticks(frame.y.low, frame.y.high, 6)) {
    const double y = frame.py(tick);
    svg += fmt::format("<path d=\"M{:.1f},{:.1f}H{:.1f}\" stroke=\"#dddddd\"/>\n", frame.left, y,
                       frame.right);
    svg += text_at(frame.left - 8, y + 4, "end", tick_text(tick));
  }
  for (const double tick : nice_ticks(frame.x.low, frame.x.high, 7)) {
    const double x = frame.px(tick);
    svg += fmt::format("<path d=\"M{:.1f},{:.1f}v5\" stroke=\"#333333\"/>\n", x, frame.bottom);
    svg += text_at(x, frame.bottom + 19, "middle", tick_text(tick));
  }
  svg +=
      fmt::format("<path d=\"M{:.1f},{:.1f}V{:.1f}H{:.1f}\" fill=\"none\" stroke=\"#333333\"/>\n",
                  frame.left, frame.top, frame.bottom, frame.right);
  const double middle_x = 0.5 * (frame.left + frame.right),
               middle_y = 0.5 * (frame.top + frame.bottom);
  svg += text_at(middle_x, 24, "middle", plot.title, " font-size=\"16\"");
  svg += text_at(middle_x, frame.bottom + 40, "middle", plot.x_label);
  svg += text_at(18, middle_y, "middle", plot.y_label,
                 fmt::format(" transform=\"rotate(-90 18 {:.1f})\"", middle_y));
  return svg;
}

std::string band_path(const PlotSeries& series, const Frame& frame, const char* colour) {
  std::string svg;
  for_each_run(series, true, [&](std::size_t first, std::size_t last) {
    // along the upper edge, back along the lower one
    std::string points;
    for (std::size_t i = first; i < last; ++i)
      points += frame.point(series.x[i], series.high[i]) + " ";
    for (std::size_t i = last; i-- > first;)
      points += frame.point(series.x[i], series.low[i]) + " ";
    points.pop_back();
    svg +=
        fmt::format("<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"0.2\"/>\n", points, colour);
  });
  return svg;
}

std::string dashes(const PlotSeries& series) {
  return series.dashed ? " stroke-dasharray=\"6 4\"" : "";
}

std::string line_path(const PlotSeries& series, const Frame& frame, const char* colour) {
  std::string svg;
  for_each_run(series, false, [&](std::size_t first, std::size_t last) {
    // a line needs two points; one alone is a dot
    if (last == first + 1) {
      svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\"/>\n",
                         frame.px(series.x[first]), frame.py(series.y[first]), colour);
      return;
    }
    std::string points;
    for (std::size_t i = first; i < last; ++i)
      points += frame.point(series.x[i], series.y[i]) + " ";
    points.pop_back();
    svg +=
        fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}/>\n",
                    points, colour, dashes(series));
  });
  return svg;
}

std::string notes(const PlotSeries& series, const Frame& frame, const char* colour) {
  std::string svg;
  for (const PlotSeries::Note& note : series.notes) {
    if (note.index >= series.x.size() || !drawn(series, note.index, false)) continue;
    const double x = frame.px(series.x[note.index]), y = frame.py(series.y[note.index]);
    // inside of the frame on either side
    const bool left = x > 0.5 * (frame.left + frame.right);
    svg += fmt::format("<path d=\"M{:.1f},{:.1f}v14\" stroke=\"{}\"/>\n", x, y - 7, colour);
    svg += text_at(x + (left ? -5 : 5), y - 8, left ? "end" : "start", note.text,
                   fmt::format(" style=\"fill:{}\"", colour));
  }
  return svg;
}

struct LegendEntry {
  double x;
  int row;
};

// names left to right, in as many rows as they need; none if no series has a name
std::vector<LegendEntry> legend_layout(const Plot& plot) {
  if (std::all_of(plot.series.begin(), plot.series.end(),
                  [](const PlotSeries& series) { return series.name.empty(); }))
    return {};
  std::vector<LegendEntry> entries;
  double x = 70;
  int row = 0;
  for (const PlotSeries& series : plot.series) {
    const double width = 44.0 + kLetterWidth * static_cast<double>(series.name.size());
    if (x > 70 && x + width > plot.width) {
      x = 70;
      ++row;
    }
    entries.push_back({x, row});
    x += width + 10;
  }
  return entries;
}

// everything of a plot but the file around it
std::string drawing(const Plot& plot) {
  const std::vector<LegendEntry> legend = legend_layout(plot);
  const Frame frame = make_frame(plot, legend.empty() ? 0 : legend.back().row + 1);
  std::string svg = axes(plot, frame);

  // all bands first: a line stays visible under another's band
  const auto colour = [](std::size_t i) { return kColours[i % std::size(kColours)]; };
  for (std::size_t i = 0; i < plot.series.size(); ++i)
    if (has_band(plot.series[i])) svg += band_path(plot.series[i], frame, colour(i));
  for (std::size_t i = 0; i < plot.series.size(); ++i)
    svg += line_path(plot.series[i], frame, colour(i));
  for (std::size_t i = 0; i < plot.series.size(); ++i)
    svg += notes(plot.series[i], frame, colour(i));

  for (std::size_t i = 0; i < legend.size(); ++i) {
    const double y = frame.bottom + 60 + kLegendRow * legend[i].row;
    svg += fmt::format("<path d=\"M{:.1f},{:.1f}h28\" stroke=\"{}\" stroke-width=\"2\"{}/>\n",
                       legend[i].x, y - 4, colour(i), dashes(plot.series[i]));
    svg += text_at(legend[i].x + 34, y, "start", plot.series[i].name);
  }
  return svg;
}

std::string svg_file(int width, int height, const std::string& content) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" "
      "font-family=\"sans-serif\" font-size=\"{2}\" fill=\"#333333\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n{3}</svg>\n",
      width, height, kFontSize, content);
}

}  // namespace

PlotSeries series_over_runs(const std::string& name, const std::vector<double>& x,
                            const std::vector<std::vector<double>>& runs, Band band) {
  PlotSeries series{.name = name, .x = x, .y = {}};
  for (const auto& run : runs)
    if (run.size() != x.size())
      throw ShapeError(fmt::format("series_over_runs: {} has a run of {} values for {} x.", name,
                                   run.size(), x.size()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    Range range;
    double sum = 0.0, squares = 0.0;
    int count = 0;
    for (const auto& run : runs) {
      if (!std::isfinite(run[i])) continue;
      range.include(run[i]);
      sum += run[i];
      ++count;
    }
    const double mean = count > 0 ? sum / count : std::nan("");
    for (const auto& run : runs)
      if (std::isfinite(run[i])) squares += (run[i] - mean) * (run[i] - mean);
    const double std = count > 1 ? std::sqrt(squares / (count - 1)) : 0.0;
    series.y.push_back(mean);
    series.low.push_back(band == Band::kStd ? mean - std : count > 0 ? range.low : mean);
    series.high.push_back(band == Band::kStd ? mean + std : count > 0 ? range.high : mean);
  }
  return series;
}

std::vector<double> nice_ticks(double low, double high, int count) {
  const double raw = (high - low) / std::max(count, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10.0 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1.0 - 1e-9)) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  // 1e-9: an end that is a multiple but for rounding keeps its tick
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  for (double k = first; k <= last; ++k) ticks.push_back(k == 0.0 ? 0.0 : k * step);
  return ticks;
}

std::string tick_text(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.4g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

std::string svg_plot(const Plot& plot) { return svg_file(plot.width, plot.height, drawing(plot)); }

std::string svg_panels(const std::vector<Plot>& panels, int num_columns, const std::string& title) {
  if (panels.empty()) throw DataError(fmt::format("plot {}: there are no panels to draw.", title));
  // cells of one size: that of the largest panel
  int width = 0, height = 0;
  for (const Plot& panel : panels) {
    width = std::max(width, panel.width);
    height = std::max(height, panel.height);
  }
  const int count = static_cast<int>(panels.size()), columns = std::clamp(num_columns, 1, count),
            rows = (count + columns - 1) / columns, top = title.empty() ? 0 : kTitleHeight;
  std::string svg;
  if (!title.empty())
    svg += text_at(0.5 * columns * width, 24, "middle", title, " font-size=\"18\"");
  for (int i = 0; i < count; ++i)
    svg += fmt::format("<g transform=\"translate({} {})\">\n{}</g>\n", i % columns * width,
                       top + i / columns * height, drawing(panels[i]));
  return svg_file(columns * width, top + rows * height, svg);
}

PlotSeries histogram_series(const std::string& name, const std::vector<double>& edges,
                            const std::vector<double>& heights) {
  if (edges.size() != heights.size() + 1)
    throw ShapeError(fmt::format("histogram_series: {} has {} edges for {} bars.", name,
                                 edges.size(), heights.size()));
  PlotSeries series{.name = name, .x = {}, .y = {}};
  const auto point = [&](double x, double y) {
    series.x.push_back(x);
    series.y.push_back(y);
  };
  point(edges.front(), 0.0);
  for (std::size_t i = 0; i < heights.size(); ++i) {
    point(edges[i], heights[i]);
    point(edges[i + 1], heights[i]);
  }
  point(edges.back(), 0.0);
  series.low.assign(series.y.size(), 0.0);
  series.high = series.y;
  return series;
}

}  // namespace mbrl
