#include "host/io/svg_parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "host/io/html.h"
#include "host/io/svg_plot.h"

namespace mbrl {
// of its own, as the files of this folder are compiled together
namespace parallel {
namespace {

// pixels
constexpr double kWide = 420, kLeft = 16, kRight = 404, kFirst = 34, kStep = 58, kBelow = 26;
constexpr double kNameSize = 13, kEndSize = 12;

std::string text(double x, double y, const char* anchor, double size, const std::string& words) {
  const std::vector<std::string> lines = lines_of(words, size, kRight - kLeft, 1);
  // a rim of white keeps it readable above lines
  return fmt::format(
      "<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"{}\" font-size=\"{:g}\" stroke=\"#ffffff\" "
      "stroke-width=\"3\" paint-order=\"stroke\">{}</text>\n",
      x, y, anchor, size, html_text(lines.empty() ? "" : lines.front()));
}

// from a light gray to blue
std::string color(double strength) {
  const double s = std::clamp(std::isfinite(strength) ? strength : 0.0, 0.0, 1.0);
  const auto mixed = [&](int from, int to) {
    return static_cast<int>(std::lround(from + s * (to - from)));
  };
  return fmt::format("#{:02x}{:02x}{:02x}", mixed(0xd3, 0x00), mixed(0xd7, 0x72),
                     mixed(0xdc, 0xb2));
}

std::string path(const ParallelLine& line) {
  std::string points;
  bool goes_on = false;
  for (std::size_t k = 0; k < line.places.size(); ++k) {
    const double place = line.places[k];
    if (!std::isfinite(place)) {
      goes_on = false;
      continue;
    }
    points += fmt::format("{}{:.1f},{:.1f}", goes_on ? "L" : "M",
                          kLeft + std::clamp(place, 0.0, 1.0) * (kRight - kLeft),
                          kFirst + kStep * static_cast<double>(k));
    goes_on = true;
  }
  if (points.empty()) return "";
  return fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"/>\n", points,
                     line.is_best ? "#d55e00" : color(line.strength), line.is_best ? 3 : 1.2);
}

}  // namespace
}  // namespace parallel

std::string svg_parallel(const std::vector<ParallelAxis>& axes,
                         const std::vector<ParallelLine>& lines) {
  using namespace parallel;
  if (axes.empty()) throw DataError("svg_parallel: there is no axis.");
  for (const ParallelLine& line : lines)
    if (line.places.size() != axes.size())
      throw ShapeError(fmt::format("svg_parallel: a line has {} places for {} axes.",
                                   line.places.size(), axes.size()));
  std::vector<const ParallelLine*> order;
  for (const ParallelLine& line : lines) order.push_back(&line);
  std::stable_sort(order.begin(), order.end(), [](const ParallelLine* a, const ParallelLine* b) {
    return std::pair(a->is_best, a->strength) < std::pair(b->is_best, b->strength);
  });
  std::string svg;
  for (const ParallelLine* line : order) svg += path(*line);
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const double y = kFirst + kStep * static_cast<double>(k);
    svg += fmt::format("<path d=\"M{:g},{:g}H{:g}\" stroke=\"#333333\" stroke-width=\"1.5\"/>\n",
                       kLeft, y, kRight);
    svg += text(kLeft, y - 10, "start", kNameSize, axes[k].name);
    svg += text(kLeft, y + 17, "start", kEndSize, axes[k].low);
    svg += text(kRight, y + 17, "end", kEndSize, axes[k].high);
  }
  const double height = kFirst + kStep * static_cast<double>(axes.size() - 1) + kBelow;
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:g}\" height=\"{1:g}\" viewBox=\"0 0 "
      "{0:g} {1:g}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" fill=\"#333333\">\n"
      "<rect width=\"{0:g}\" height=\"{1:g}\" fill=\"#ffffff\"/>\n{2}</svg>\n",
      kWide, height, svg);
}

}  // namespace mbrl
