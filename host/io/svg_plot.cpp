#include "host/io/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/html.h"

namespace mbrl {
namespace {

// Okabe and Ito's colors, which colour-blind readers can tell apart
constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                   "#56b4e9", "#e69f00", "#555555"};

// pixels: a figure of 440 at a column's 85 mm has letters of 7 points
constexpr double kFontSize = 13, kTitleSize = 15, kSmallSize = 12;
constexpr double kLineHeight = 17, kLegendRow = 19, kMargin = 10, kTick = 5, kSwatch = 26;

// widths of DejaVu Sans, thousandths of the font's size, from the space to the tilde
constexpr short kWidths[] = {
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361,  318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635,  611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352,  635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592,  525, 636, 337, 636, 838};

double width_of(char32_t point) {
  if (point >= 0x20 && point < 0x7f) return 1e-3 * kWidths[point - 0x20];
  if (point >= 0x300 && point < 0x370) return 0.0;  // accents on the letter before
  return point >= 0x1100 ? 1.05 : 0.75;             // ideographs; other alphabets
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& text,
                    const std::string& more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, html_text(text));
}

std::string size_of(double font_size) { return fmt::format(" font-size=\"{:g}\"", font_size); }

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

struct Box {
  double left, right, top, bottom;

  bool meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
  bool within(const Box& other) const {
    return left >= other.left && right <= other.right && top >= other.top && bottom <= other.bottom;
  }
};

// from data to pixels
struct Frame {
  Range x, y;
  Box box;
  bool log_y, clipped;
  std::vector<double> x_ticks, y_ticks;
  std::vector<std::string> x_texts, y_texts;
  std::vector<std::string> y_label;  // in lines

  double scaled(double value) const { return log_y ? std::log10(value) : value; }
  double px(double value) const {
    return box.left + (value - x.low) / (x.high - x.low) * (box.right - box.left);
  }
  double py(double value) const {
    const double low = scaled(y.low), high = scaled(y.high);
    return box.bottom - (scaled(value) - low) / (high - low) * (box.bottom - box.top);
  }
  std::string point(double at_x, double at_y) const {
    // what a logarithm has no place for ends below the frame
    const double pixel = log_y && at_y <= 0.0 ? box.bottom + 10.0 : py(at_y);
    // beyond the frame and clipped: no renderer needs more
    return fmt::format("{:.1f},{:.1f}", std::clamp(px(at_x), -1e5, 1e5),
                       std::clamp(pixel, -1e5, 1e5));
  }
};

bool has_band(const PlotSeries& series) { return !series.low.empty(); }

bool drawn(const PlotSeries& series, std::size_t i, bool band, bool log_y) {
  const auto shown = [&](double value) { return drawable(value) && (!log_y || value > 0.0); };
  return drawable(series.x[i]) && shown(series.y[i]) &&
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

// an axis from its limits and what it shows; data may go on beyond limits that are given
Range range_of(const Range& data, const AxisLimits& limits, double headroom, bool log) {
  Range range = data;
  if (log) {
    const double factor =
        range.high > range.low ? std::pow(range.high / range.low, headroom) : std::sqrt(10.0);
    range.low /= factor;
    range.high *= factor;
  } else {
    range.widen();
    const double margin = headroom * (range.high - range.low);
    range.low -= margin;
    range.high += margin;
  }
  if (limits.low) range.low = *limits.low;
  if (limits.high) range.high = *limits.high;
  if (!log || !(range.low < range.high)) range.widen();
  return range;
}

Frame make_frame(const Plot& plot) {
  Frame frame{};
  frame.log_y = plot.log_y;
  frame.clipped = plot.log_y || plot.x_limits.low || plot.x_limits.high || plot.y_limits.low ||
                  plot.y_limits.high;
  const auto in_x = [&](double x) {
    return x >= plot.x_limits.low.value_or(-kLargest) && x <= plot.x_limits.high.value_or(kLargest);
  };
  const auto include = [&](double y) {
    if (!plot.log_y || y > 0.0) frame.y.include(y);
  };
  for (const PlotSeries& series : plot.series) {
    check_lengths(series);
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!drawn(series, i, false, plot.log_y) || !in_x(series.x[i])) continue;
      frame.x.include(series.x[i]);
      include(series.y[i]);
      if (has_band(series)) {
        include(series.low[i]);
        include(series.high[i]);
      }
    }
  }
  if (frame.x.empty()) {
    const bool limited = plot.x_limits.low || plot.x_limits.high;
    throw DataError(fmt::format(
        "plot {}: there is nothing to draw; none of the {} series has a finite point{}{}.",
        plot.title, plot.series.size(), plot.log_y ? " above 0, as a logarithmic axis needs" : "",
        limited ? " within the limits of x" : ""));
  }
  for (const Plot::Level& level : plot.levels) include(level.y);
  // a line's ends lie on the frame, a value's extremes inside of it
  frame.x = range_of(frame.x, plot.x_limits, 0.0, false);
  frame.y = range_of(frame.y, plot.y_limits, 0.05, plot.log_y);
  frame.x_ticks = nice_ticks(frame.x.low, frame.x.high, std::max(plot.width / 60, 3));
  frame.y_ticks = plot.log_y ? log_ticks(frame.y.low, frame.y.high, 7)
                             : nice_ticks(frame.y.low, frame.y.high, std::max(plot.height / 45, 3));
  frame.x_texts = tick_texts(frame.x_ticks);
  if (plot.log_y)  // of sizes that have no unit in common
    for (const double tick : frame.y_ticks) frame.y_texts.push_back(tick_texts({tick}).front());
  else
    frame.y_texts = tick_texts(frame.y_ticks);

  // room for the numbers and their labels, and for the half of the last number that is beyond
  double widest = 0.0;
  for (const std::string& text : frame.y_texts)
    widest = std::max(widest, text_width(text, kSmallSize));
  const double last =
      frame.x_texts.empty() ? 0.0 : 0.5 * text_width(frame.x_texts.back(), kSmallSize);
  frame.y_label = lines_of(plot.y_label, kFontSize, plot.height - 2 * kMargin, 2);
  const double labels = kLineHeight * static_cast<double>(frame.y_label.size());
  frame.box = {.left = kMargin + labels + widest + kTick + 6,
               .right = plot.width - std::max(kMargin, last + 3),
               .top = kMargin,
               .bottom = plot.height - 24 - (plot.x_label.empty() ? 0.0 : 22.0)};
  return frame;
}

// runs of consecutive points that are drawn: [first, last)
template <typename Action>
void for_each_run(const PlotSeries& series, bool band, bool log_y, Action action) {
  for (std::size_t i = 0; i < series.x.size();) {
    std::size_t end = i;
    while (end < series.x.size() && drawn(series, end, band, log_y)) ++end;
    if (end > i) action(i, end);
    i = end + 1;
  }
}

std::string axes(const Plot& plot, const Frame& frame) {
  std::string svg;
  const Box& box = frame.box;
  for (std::size_t i = 0; i < frame.y_ticks.size(); ++i) {
    const double y = frame.py(frame.y_ticks[i]);
    svg += fmt::format("<path d=\"M{:.1f},{:.1f}H{:.1f}\" stroke=\"#dddddd\"/>\n", box.left, y,
                       box.right);
    svg += text_at(box.left - kTick - 3, y + 4, "end", frame.y_texts[i], size_of(kSmallSize));
  }
  for (std::size_t i = 0; i < frame.x_ticks.size(); ++i) {
    const double x = frame.px(frame.x_ticks[i]);
    svg +=
        fmt::format("<path d=\"M{:.1f},{:.1f}v{:g}\" stroke=\"#333333\"/>\n", x, box.bottom, kTick);
    svg += text_at(x, box.bottom + 18, "middle", frame.x_texts[i], size_of(kSmallSize));
  }
  svg +=
      fmt::format("<path d=\"M{:.1f},{:.1f}V{:.1f}H{:.1f}\" fill=\"none\" stroke=\"#333333\"/>\n",
                  box.left, box.top, box.bottom, box.right);
  const double middle_x = 0.5 * (box.left + box.right), middle_y = 0.5 * (box.top + box.bottom);
  // labels stand in the middle of their axes, if they do not leave the cell there
  const auto centered = [](double middle, double half, double size) {
    return std::clamp(middle, std::min(kMargin + half, 0.5 * size),
                      std::max(size - kMargin - half, 0.5 * size));
  };
  for (const std::string& line : lines_of(plot.x_label, kFontSize, plot.width - 2 * kMargin, 1))
    svg += text_at(centered(middle_x, 0.5 * text_width(line, kFontSize), plot.width),
                   box.bottom + 39, "middle", line);
  double half = 0.0;
  for (const std::string& line : frame.y_label)
    half = std::max(half, 0.5 * text_width(line, kFontSize));
  const double center = centered(middle_y, half, plot.height);
  for (std::size_t i = 0; i < frame.y_label.size(); ++i) {
    const double x = kMargin + 11 + kLineHeight * static_cast<double>(i);
    svg += text_at(x, center, "middle", frame.y_label[i],
                   fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", x, center));
  }
  return svg;
}

std::string color_of(const PlotSeries& series, std::size_t i) {
  if (series.faint) return "#bbbbbb";
  return kColors[(series.color < 0 ? i : static_cast<std::size_t>(series.color)) %
                 std::size(kColors)];
}

// published curves; and lines that have to share a color with another
std::string dashes(const PlotSeries& series, std::size_t i) {
  if (series.dashed) return " stroke-dasharray=\"6 4\"";
  constexpr const char* kRounds[] = {"", " stroke-dasharray=\"12 3\"", " stroke-dasharray=\"3 3\""};
  if (series.faint) return "";
  const std::size_t number = series.color < 0 ? i : static_cast<std::size_t>(series.color);
  return kRounds[number / std::size(kColors) % std::size(kRounds)];
}

std::string band_path(const PlotSeries& series, const Frame& frame, const std::string& color) {
  std::string svg;
  for_each_run(series, true, frame.log_y, [&](std::size_t first, std::size_t last) {
    // along the upper edge, back along the lower one
    std::string points;
    for (std::size_t i = first; i < last; ++i)
      points += frame.point(series.x[i], series.high[i]) + " ";
    for (std::size_t i = last; i-- > first;)
      points += frame.point(series.x[i], series.low[i]) + " ";
    points.pop_back();
    svg +=
        fmt::format("<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"0.2\"/>\n", points, color);
  });
  return svg;
}

std::string line_path(const PlotSeries& series, const Frame& frame, const std::string& color,
                      const std::string& more) {
  std::string svg;
  for_each_run(series, false, frame.log_y, [&](std::size_t first, std::size_t last) {
    // a line needs two points; one alone is a dot
    if (last == first + 1) {
      svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\"/>\n",
                         frame.px(series.x[first]), frame.py(series.y[first]), color);
      return;
    }
    std::string points;
    for (std::size_t i = first; i < last; ++i)
      points += frame.point(series.x[i], series.y[i]) + " ";
    points.pop_back();
    svg +=
        fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{}/>\n",
                    points, color, series.faint ? 1 : 2, more);
  });
  return svg;
}

// how many pieces of the lines of a plot cross a box
int num_crossings(const Plot& plot, const Frame& frame, const Box& box) {
  int count = 0;
  for (const PlotSeries& series : plot.series)
    for_each_run(series, false, frame.log_y, [&](std::size_t first, std::size_t last) {
      for (std::size_t i = first; i + 1 < last; ++i) {
        const double x0 = frame.px(series.x[i]), x1 = frame.px(series.x[i + 1]);
        if (std::max(x0, x1) < box.left || std::min(x0, x1) > box.right) continue;
        // the piece of the line above the box's width
        const double y0 = frame.py(series.y[i]), y1 = frame.py(series.y[i + 1]);
        const auto at = [&](double x) {
          return x1 == x0 ? y0
                          : y0 + (std::clamp(x, std::min(x0, x1), std::max(x0, x1)) - x0) /
                                     (x1 - x0) * (y1 - y0);
        };
        const double a = at(box.left), b = at(box.right);
        if (std::max(a, b) >= box.top && std::min(a, b) <= box.bottom) ++count;
      }
    });
  return count;
}

// Marks where series say something. Each text stands in the frame, upon no other and on as few
// lines as there are places for; where there is no place, the mark stands alone.
std::string notes(const Plot& plot, const PlotSeries& series, const Frame& frame,
                  const std::string& color, std::vector<Box>& taken) {
  std::string svg;
  for (const PlotSeries::Note& note : series.notes) {
    if (note.index >= series.x.size() || !drawn(series, note.index, false, frame.log_y)) continue;
    const double x = frame.px(series.x[note.index]), y = frame.py(series.y[note.index]);
    if (!Box{x, x, y, y}.within(frame.box)) continue;
    svg += fmt::format("<path d=\"M{:.1f},{:.1f}v12\" stroke=\"{}\"/>\n", x, y - 6, color);
    const double width = text_width(note.text, kSmallSize);
    std::optional<Box> best;
    int fewest = 0;
    for (const double dy : {-20.0, 8.0, -35.0, 23.0, -50.0, 38.0, -65.0, 53.0}) {
      for (const bool left : {true, false}) {
        const Box place{left ? x - 4 - width : x + 4, left ? x - 4 : x + 4 + width, y + dy,
                        y + dy + 13};
        const bool free = std::none_of(taken.begin(), taken.end(),
                                       [&](const Box& other) { return place.meets(other); });
        if (!place.within(frame.box) || !free) continue;
        const int crossings = num_crossings(plot, frame, place);
        if (best && crossings >= fewest) continue;
        best = place;
        fewest = crossings;
      }
    }
    if (!best) continue;
    taken.push_back(*best);
    svg += text_at(
        best->left, best->bottom - 3, "start", note.text,
        size_of(kSmallSize) + fmt::format(" style=\"fill:{};stroke:#ffffff;stroke-opacity:0.7;"
                                          "stroke-width:3px;paint-order:stroke\"",
                                          color));
  }
  return svg;
}

std::string level_dashes(std::size_t i) {
  constexpr const char* kPatterns[] = {"2 3", "8 3 2 3", "12 4"};
  return fmt::format(" stroke-dasharray=\"{}\"", kPatterns[i % std::size(kPatterns)]);
}

constexpr const char* kGray = "#555555";

// a line of the legend: what is drawn before the text, and the text
struct LegendEntry {
  std::string swatch, text;
  bool operator==(const LegendEntry&) const = default;
};

std::string line_swatch(const std::string& color, double width, const std::string& more) {
  return fmt::format("h{:g}\" stroke=\"{}\" stroke-width=\"{:g}\"{}/>\n", kSwatch, color, width,
                     more);
}

// what the figure shows, each once: lines, levels, bands
std::vector<LegendEntry> legend_of(const std::vector<Plot>& panels) {
  std::vector<LegendEntry> entries;
  const auto add = [&](const LegendEntry& entry) {
    if (!entry.text.empty() && std::find(entries.begin(), entries.end(), entry) == entries.end())
      entries.push_back(entry);
  };
  for (const bool faint : {false, true})
    for (const Plot& panel : panels)
      for (std::size_t i = 0; i < panel.series.size(); ++i) {
        const PlotSeries& series = panel.series[i];
        if (series.faint == faint)
          add({line_swatch(color_of(series, i), faint ? 1 : 2, dashes(series, i)), series.name});
      }
  for (const Plot& panel : panels)
    for (std::size_t i = 0; i < panel.levels.size(); ++i)
      add({line_swatch(kGray, 1.5, level_dashes(i)), panel.levels[i].name});
  for (const Plot& panel : panels)
    add({fmt::format("v-5h{0:g}v10h-{0:g}z\" fill=\"{1}\" fill-opacity=\"0.25\"/>\n", kSwatch,
                     kGray),
         panel.band});
  return entries;
}

struct Placed {
  double x, y;
  std::vector<std::string> lines;
};

// names left to right, in as many rows as they need; returns the height of all
double place(const std::vector<LegendEntry>& entries, double width, std::vector<Placed>& places) {
  const double left = 2 * kMargin, widest = width - 3 * kMargin - left - kSwatch;
  double x = left, y = 0.0, height = 0.0;
  for (const LegendEntry& entry : entries) {
    Placed placed{.x = x, .y = y, .lines = lines_of(entry.text, kSmallSize, widest, 3)};
    double own = 0.0;
    for (const std::string& line : placed.lines) own = std::max(own, text_width(line, kSmallSize));
    own += kSwatch + 6;
    if (x > left && x + own > width - kMargin) {
      placed.x = x = left;
      placed.y = y = height;
    }
    height = std::max(height, y + kLegendRow * static_cast<double>(placed.lines.size()));
    x += own + 18;
    places.push_back(std::move(placed));
  }
  return height;
}

std::string legend(const std::vector<LegendEntry>& entries, const std::vector<Placed>& places,
                   double top) {
  std::string svg;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& [x, y, lines] = places[i];
    svg += fmt::format("<path d=\"M{:.1f},{:.1f}{}", x, top + y + 9, entries[i].swatch);
    for (std::size_t k = 0; k < lines.size(); ++k)
      svg += text_at(x + kSwatch + 6, top + y + 13 + kLegendRow * static_cast<double>(k), "start",
                     lines[k], size_of(kSmallSize));
  }
  return svg;
}

// axes and what is between them
std::string drawing(const Plot& plot) {
  const Frame frame = make_frame(plot);
  std::string svg = axes(plot, frame);
  const Box& box = frame.box;
  if (frame.clipped)
    svg += fmt::format(
        "<svg x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{2:.1f}\" height=\"{3:.1f}\" viewBox=\"{0:.1f} "
        "{1:.1f} {2:.1f} {3:.1f}\">\n",
        box.left, box.top, box.right - box.left, box.bottom - box.top);
  const auto each = [&](bool faint, const auto& draw) {
    for (std::size_t i = 0; i < plot.series.size(); ++i)
      if (plot.series[i].faint == faint) draw(plot.series[i], i);
  };
  // all bands first: a line stays visible under another's band
  for (const bool faint : {true, false}) {
    each(faint, [&](const PlotSeries& series, std::size_t i) {
      if (has_band(series)) svg += band_path(series, frame, color_of(series, i));
    });
    each(faint, [&](const PlotSeries& series, std::size_t i) {
      svg += line_path(series, frame, color_of(series, i), dashes(series, i));
    });
  }
  for (std::size_t i = 0; i < plot.levels.size(); ++i) {
    const double y = plot.levels[i].y;
    if (drawable(y) && (!plot.log_y || y > 0.0))
      svg += fmt::format(
          "<path d=\"M{:.1f},{:.1f}H{:.1f}\" stroke=\"{}\" stroke-width=\"1.5\"{}/>\n", box.left,
          std::clamp(frame.py(y), -1e5, 1e5), box.right, kGray, level_dashes(i));
  }
  if (frame.clipped) svg += "</svg>\n";
  std::vector<Box> taken;
  each(false, [&](const PlotSeries& series, std::size_t i) {
    svg += notes(plot, series, frame, color_of(series, i), taken);
  });
  return svg;
}

// a heading over the middle of a width; returns its height
double heading(std::string& svg, const std::string& title, double left, double top, double width,
               double font_size) {
  const std::vector<std::string> lines = lines_of(title, font_size, width - 2 * kMargin, 3);
  const double row = font_size + 4;
  for (std::size_t i = 0; i < lines.size(); ++i)
    svg += text_at(left + 0.5 * width, top + row * static_cast<double>(i + 1), "middle", lines[i],
                   size_of(font_size));
  return lines.empty() ? 0.0 : row * static_cast<double>(lines.size()) + 6;
}

std::string figure(const std::vector<Plot>& panels, int num_columns, const std::string& title,
                   bool own_titles) {
  // cells of one size: that of the largest panel
  int cell_width = 0, cell_height = 0;
  double title_height = 0.0;
  std::string svg, unused;
  for (const Plot& panel : panels) {
    cell_width = std::max(cell_width, panel.width);
    cell_height = std::max(cell_height, panel.height);
  }
  for (const Plot& panel : panels)
    if (own_titles)
      title_height =
          std::max(title_height, heading(unused, panel.title, 0, 0, cell_width, kFontSize));
  const int count = static_cast<int>(panels.size()), columns = std::clamp(num_columns, 1, count),
            rows = (count + columns - 1) / columns;
  const double width = columns * cell_width, step = std::ceil(title_height) + cell_height;
  const double top = std::ceil(heading(svg, title, 0, 4, width, kTitleSize));
  for (int i = 0; i < count; ++i) {
    const double left = i % columns * cell_width, above = top + i / columns * step;
    svg += fmt::format("<g transform=\"translate({:g} {:g})\">\n", left,
                       above + std::ceil(title_height));
    if (own_titles) heading(svg, panels[i].title, 0, -title_height, cell_width, kFontSize);
    svg += drawing(panels[i]) + "</g>\n";
  }
  const std::vector<LegendEntry> entries = legend_of(panels);
  std::vector<Placed> places;
  const double legend_height = std::ceil(place(entries, width, places)), end = top + rows * step;
  svg += legend(entries, places, end + 2);
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:g}\" height=\"{1:g}\" viewBox=\"0 0 "
      "{0:g} {1:g}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" "
      "font-size=\"{2:g}\" fill=\"#333333\">\n"
      "<rect width=\"{0:g}\" height=\"{1:g}\" fill=\"#ffffff\"/>\n{3}</svg>\n",
      width, end + (entries.empty() ? 0.0 : legend_height + 8), kFontSize, svg);
}

}  // namespace

double text_width(const std::string& text, double font_size) {
  double sum = 0.0;
  for (std::string_view rest = text; !rest.empty();) {
    const auto [point, bytes] = first_character(rest);
    sum += bytes > 0 ? width_of(point) : 4 * width_of('0');  // shown as \xff
    rest.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return sum * font_size;
}

std::vector<std::string> lines_of(const std::string& text, double font_size, double width,
                                  int max_lines) {
  const std::string whole = printable(text);
  std::vector<std::string> lines;
  std::string line;
  std::size_t space = std::string::npos;  // the last one in the line, where it may be broken
  for (std::string_view rest = whole; !rest.empty();) {
    const std::size_t bytes = first_character(rest).bytes;
    const std::string_view letter = rest.substr(0, bytes);
    rest.remove_prefix(bytes);
    if (text_width(line + std::string(letter), font_size) > width && !line.empty()) {
      const bool at_space = space != std::string::npos && space > 0;
      std::string next = at_space ? line.substr(space + 1) : "";
      if (at_space) line.resize(space);
      lines.push_back(std::move(line));
      line = std::move(next);
      space = std::string::npos;
      if (line.empty() && letter == " ") continue;
    }
    if (letter == " ") space = line.size();
    line += letter;
  }
  if (!line.empty()) lines.push_back(std::move(line));
  if (lines.size() <= static_cast<std::size_t>(max_lines)) return lines;
  lines.resize(static_cast<std::size_t>(max_lines));
  std::string& last = lines.back();
  while (!last.empty() && text_width(last + "...", font_size) > width) {
    // whole characters only
    do last.pop_back();
    while (!last.empty() && (static_cast<unsigned char>(last.back()) & 0xc0) == 0x80);
    if (!last.empty() && static_cast<unsigned char>(last.back()) >= 0xc0) last.pop_back();
  }
  last += "...";
  return lines;
}

PlotSeries series_over_runs(const std::string& name, const std::vector<double>& x,
                            const std::vector<std::vector<double>>& runs, const BandRule& rule) {
  PlotSeries series{.name = name, .x = x, .y = {}};
  for (const auto& run : runs)
    if (run.size() != x.size())
      throw ShapeError(fmt::format("series_over_runs: {} has a run of {} values for {} x.", name,
                                   run.size(), x.size()));
  std::vector<double> values;
  for (std::size_t i = 0; i < x.size(); ++i) {
    values.clear();
    double sum = 0.0;
    for (const auto& run : runs)
      if (std::isfinite(run[i])) {
        values.push_back(run[i]);
        sum += run[i];
      }
    const double mean = values.empty() ? std::nan("") : sum / static_cast<double>(values.size());
    const auto [low, high] = values.empty() ? std::pair(mean, mean) : rule(values);
    series.y.push_back(mean);
    series.low.push_back(low);
    series.high.push_back(high);
  }
  return series;
}

PlotSeries series_over_runs(const std::string& name, const std::vector<double>& x,
                            const std::vector<std::vector<double>>& runs, Band band) {
  return series_over_runs(name, x, runs, [band](std::span<const double> values) {
    if (band == Band::kMinMax) {
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      return std::pair(*low, *high);
    }
    double sum = 0.0, squares = 0.0;
    for (const double value : values) sum += value;
    const auto count = static_cast<double>(values.size());
    const double mean = sum / count;
    for (const double value : values) squares += (value - mean) * (value - mean);
    const double std = values.size() > 1 ? std::sqrt(squares / (count - 1)) : 0.0;
    return std::pair(mean - std, mean + std);
  });
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

std::vector<double> log_ticks(double low, double high, int count) {
  const double first = std::ceil(std::log10(low) - 1e-9),
               last = std::floor(std::log10(high) + 1e-9);
  const double num_powers = last - first + 1;
  std::vector<double> ticks;
  if (num_powers >= 3) {
    const double step = std::max(1.0, std::ceil(num_powers / std::max(count, 1)));
    for (double power = first; power <= last; power += step) ticks.push_back(std::pow(10.0, power));
    return ticks;
  }
  for (double power = std::floor(std::log10(low)); power <= last; ++power)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10.0, power);
      if (tick >= low && tick <= high) ticks.push_back(tick);
    }
  return ticks.size() >= 3 ? ticks : nice_ticks(low, high, count);
}

std::vector<std::string> tick_texts(const std::vector<double>& ticks) {
  double largest = 0.0;
  for (const double tick : ticks) largest = std::max(largest, std::abs(tick));
  double unit = 1.0;
  const char* name = "";
  if (largest >= 1e6 && largest < 1e9) {
    unit = 1e6;
    name = "M";
  } else if (largest >= 1e4 && largest < 1e6) {
    unit = 1e3;
    name = "k";
  }
  std::vector<std::string> texts;
  for (int digits = 4; digits <= 17; ++digits) {
    texts.clear();
    for (const double tick : ticks)
      texts.push_back(tick == 0.0 ? "0" : fmt::format("{:.{}g}{}", tick / unit, digits, name));
    const auto same = std::adjacent_find(texts.begin(), texts.end());
    if (same == texts.end()) break;
  }
  return texts;
}

std::string svg_plot(const Plot& plot) { return figure({plot}, 1, plot.title, false); }

std::string svg_panels(const std::vector<Plot>& panels, int num_columns, const std::string& title) {
  if (panels.empty()) throw DataError(fmt::format("plot {}: there are no panels to draw.", title));
  return figure(panels, num_columns, title, true);
}

std::vector<Plot> panels_apart(const Plot& whole) {
  Plot all = whole;
  for (std::size_t i = 0; i < all.series.size(); ++i)
    if (all.series[i].color < 0) all.series[i].color = static_cast<int>(i);
  const Frame frame = make_frame(all);
  all.x_limits = {frame.x.low, frame.x.high};
  all.y_limits = {frame.y.low, frame.y.high};
  std::vector<Plot> panels;
  for (std::size_t own = 0; own < all.series.size(); ++own) {
    if (!has_band(all.series[own])) continue;
    Plot panel = all;
    panel.title = std::exchange(panel.series[own].name, "");
    for (std::size_t i = 0; i < panel.series.size(); ++i) {
      PlotSeries& series = panel.series[i];
      if (i == own || !has_band(series)) continue;
      series.faint = true;
      series.name = "the other lines";
      series.low = series.high = {};
      series.notes = {};
    }
    panels.push_back(std::move(panel));
  }
  return panels;
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
