// Tests for host/io/svg_plot.{h,cpp}.
#include "host/io/svg_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "base/error.h"

namespace mbrl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST(SvgPlotTest, TicksAreOneTwoOrFiveTimesAPowerOfTen) {
  EXPECT_THAT(nice_ticks(0, 100, 5), ElementsAre(0, 20, 40, 60, 80, 100));
  EXPECT_THAT(nice_ticks(-30, 3200, 6), ElementsAre(0, 1000, 2000, 3000));
  EXPECT_THAT(nice_ticks(1, 2, 2), ElementsAre(1, 1.5, 2));
  EXPECT_THAT(nice_ticks(-10, 10, 2), ElementsAre(-10, 0, 10));
}

TEST(SvgPlotTest, NotesStandAtTheirPoints) {
  PlotSeries series{.name = "a (3 runs)", .x = {0, 50, 100}, .y = {1, 2, 3}};
  series.notes = {{1, "2 runs"}, {2, "1 run"}, {3, "beyond"}};
  const std::string svg =
      svg_plot({.title = "t", .x_label = "", .y_label = "", .series = {series}});
  EXPECT_EQ(count(svg, ">2 runs</text>"), 1);
  EXPECT_EQ(count(svg, ">1 run</text>"), 1);
  EXPECT_EQ(count(svg, "beyond"), 0);
}

TEST(SvgPlotTest, TicksAreShortNumbersInOneUnit) {
  EXPECT_THAT(tick_texts({0, 250, 500}), ElementsAre("0", "250", "500"));
  EXPECT_THAT(tick_texts({-3500}), ElementsAre("-3500"));
  EXPECT_THAT(tick_texts({5000, 15000, 25000}), ElementsAre("5k", "15k", "25k"));
  EXPECT_THAT(tick_texts({500000, 1.5e6}), ElementsAre("0.5M", "1.5M"));
  EXPECT_THAT(tick_texts({1e9}), ElementsAre("1e+09"));
  EXPECT_THAT(tick_texts({1000.1, 1000.15}), ElementsAre("1000.1", "1000.15")) << "told apart";
}

TEST(SvgPlotTest, LogarithmicTicksArePowersOfTenOrTheirHalves) {
  EXPECT_THAT(log_ticks(0.5, 2000, 6), ElementsAre(1, 10, 100, 1000));
  EXPECT_THAT(log_ticks(1, 60, 6), ElementsAre(1, 2, 5, 10, 20, 50));
  EXPECT_THAT(log_ticks(2.9, 3.6, 3), ElementsAre(3, testing::DoubleEq(3.5)));
  EXPECT_LE(log_ticks(1e-200, 1e200, 6).size(), 7u);
}

TEST(SvgPlotTest, NoTextMakesAFileThatXmlDoesNotKnow) {
  const std::string svg = svg_plot({.title = "t\xe9\x1b<",
                                    .x_label = std::string("x\0y", 3),
                                    .y_label = "\xef\xbf\xbf",
                                    .series = {{.name = "n\x07", .x = {0, 1}, .y = {0, 1}}}});
  EXPECT_THAT(svg, HasSubstr(">t\\xe9\\x1b&lt;</text>"));
  EXPECT_THAT(svg, HasSubstr("x\\x00y"));
  for (const char c : svg) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << int{c};
}

TEST(SvgPlotTest, SeriesOverRunsIsMeanAndBand) {
  const std::vector<std::vector<double>> runs = {{1, 4}, {3, 4}, {5, std::nan("")}};
  const PlotSeries std = series_over_runs("a", {0, 1}, runs, Band::kStd);
  EXPECT_THAT(std.y, ElementsAre(3, 4));
  EXPECT_THAT(std.low, ElementsAre(1, 4));
  EXPECT_THAT(std.high, ElementsAre(5, 4));
  const PlotSeries range = series_over_runs("a", {0, 1}, {{1, 4}, {3, 8}}, Band::kMinMax);
  EXPECT_THAT(range.low, ElementsAre(1, 4));
  EXPECT_THAT(range.high, ElementsAre(3, 8));
}

TEST(SvgPlotTest, AShareOfTheRunHasTicksOfTenthsOrFifths) {
  EXPECT_THAT(nice_ticks(0, 1, 7), ElementsAre(0, 0.2, 0.4, testing::DoubleEq(0.6), 0.8, 1));
  EXPECT_THAT(tick_texts({0.4, 3 * 0.2}), ElementsAre("0.4", "0.6"));
}

TEST(SvgPlotTest, AMeanWithDeviationIsABandOfItsOwnHeight) {
  // runs {1, 3} and {3, 7}: means 2 and 5, deviations sqrt 2 and 2 sqrt 2; the axis is 0.586..7.828
  // and a twentieth more at each end
  const PlotSeries series = series_over_runs("s", {0, 1}, {{1, 3}, {3, 7}}, Band::kStd);
  EXPECT_THAT(series.low, ElementsAre(2 - std::sqrt(2.0), 5 - std::sqrt(8.0)));
  EXPECT_THAT(series.high, ElementsAre(2 + std::sqrt(2.0), 5 + std::sqrt(8.0)));
  const std::string svg = svg_plot({.title = "", .x_label = "", .y_label = "", .series = {series}});
  EXPECT_THAT(svg, HasSubstr("<polygon points=\"28.6,181.5 430.0,23.0 430.0,226.1 28.6,283.0\""));
}

TEST(SvgPlotTest, PanelsStandSideBySideThenBelow) {
  const auto panel = [](const std::string& name, double y) {
    return Plot{.title = name,
                .x_label = "x",
                .y_label = "y",
                .series = {{.name = "s", .x = {0, 1}, .y = {0, y}}},
                .width = 400,
                .height = 300};
  };
  const std::vector<Plot> panels{panel("a", 1), panel("b", 20), panel("c", 300)};
  const std::string svg = svg_panels(panels, 2, "all < 3");
  EXPECT_THAT(svg, HasSubstr("width=\"800\" height=\"698\" viewBox=\"0 0 800 698\""));
  EXPECT_EQ(count(svg, "<svg"), 1);
  EXPECT_EQ(count(svg, "<polyline"), 3);
  EXPECT_THAT(svg, HasSubstr("all &lt; 3"));
  // each in its cell, with an axis of its own
  const std::size_t a = svg.find("translate(0 48)"), b = svg.find("translate(400 48)"),
                    c = svg.find("translate(0 371)");
  EXPECT_LT(a, svg.find(">a</text>"));
  EXPECT_LT(svg.find(">a</text>"), b);
  EXPECT_LT(b, svg.find(">b</text>"));
  EXPECT_LT(svg.find(">b</text>"), c);
  EXPECT_THAT(svg.substr(b, c - b), HasSubstr(">20</text>"));
  EXPECT_THAT(svg.substr(c), HasSubstr(">300</text>"));
  EXPECT_THROW(svg_panels({}, 2, "none"), DataError);
}

TEST(SvgPlotTest, SeriesWithoutANameHaveNoLegend) {
  Plot plot{.title = "",
            .x_label = "",
            .y_label = "",
            .series = {{.name = "", .x = {0, 1}, .y = {0, 1}}}};
  EXPECT_EQ(count(svg_plot(plot), "h26"), 0);
  plot.series[0].name = "s";
  EXPECT_EQ(count(svg_plot(plot), "h26"), 1);
}

TEST(SvgPlotTest, AHistogramIsItsOutlineFilledDownToZero) {
  const PlotSeries series = histogram_series("h", {0, 1, 3}, {4, 2});
  EXPECT_THAT(series.x, ElementsAre(0, 0, 1, 1, 3, 3));
  EXPECT_THAT(series.y, ElementsAre(0, 4, 4, 2, 2, 0));
  EXPECT_EQ(series.high, series.y);
  EXPECT_THAT(series.low, testing::Each(0.0));
  EXPECT_THROW(histogram_series("h", {0, 1}, {4, 2}), ShapeError);
}

TEST(SvgPlotTest, PointsLandWhereTheAxesSay) {
  // left: a margin of 10, a line of 17 for the label, the numbers of 12 * 1.59, ticks and space, 11;
  // right: half of "10", 12 * 0.636, and 3. A twentieth of the height is headroom at each end
  const std::string svg = svg_plot({.title = "t",
                                    .x_label = "x",
                                    .y_label = "y",
                                    .series = {{.name = "s", .x = {0, 5, 10}, .y = {0, 1, 2}}}});
  EXPECT_THAT(svg, HasSubstr("<polyline points=\"57.1,262.0 243.2,142.0 429.4,22.0\""));
}

TEST(SvgPlotTest, LimitsAreTheEndsOfTheAxes) {
  const PlotSeries series{.name = "s", .x = {0, 5, 10}, .y = {0, 100, 2}};
  Plot plot{.title = "", .x_label = "", .y_label = "", .series = {series}};
  EXPECT_EQ(count(svg_plot(plot), "<svg"), 1);
  plot.y_limits = {0, 5};
  plot.x_limits = {.low = 1, .high = {}};
  const std::string svg = svg_plot(plot);
  EXPECT_EQ(count(svg, "<svg"), 2) << "what is beyond is cut";
  EXPECT_THAT(svg, HasSubstr(">5</text>"));
  EXPECT_THAT(svg, Not(HasSubstr(">100</text>")));
  plot.x_limits = {20, 30};
  try {
    svg_plot(plot);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("within the limits of x"));
  }
}

TEST(SvgPlotTest, AHeightFollowsFromWhatTheLimitsOfXShow) {
  Plot plot{.title = "",
            .x_label = "",
            .y_label = "",
            .series = {{.name = "", .x = {0, 1, 2}, .y = {1, 2, 1e6}}}};
  plot.x_limits = {0, 1};
  EXPECT_THAT(svg_plot(plot), HasSubstr(">1.4</text>"));
}

TEST(SvgPlotTest, ALogarithmicAxisHasNoPlaceForZero) {
  Plot plot{.title = "",
            .x_label = "",
            .y_label = "",
            .series = {{.name = "", .x = {0, 1, 2, 3}, .y = {1, 0, 100, 10000}}}};
  plot.series[0].low = {0.5, 0, -5, 100};
  plot.series[0].high = {2, 0, 200, 20000};
  plot.log_y = true;
  const std::string svg = svg_plot(plot);
  EXPECT_EQ(count(svg, "<circle"), 1) << "0 is a gap";
  EXPECT_THAT(svg, HasSubstr(">100</text>"));
  for (const char* no_number : {"nan", "inf"}) EXPECT_THAT(svg, Not(HasSubstr(no_number)));
  plot.series[0].y = {0, 0, -1, -2};
  EXPECT_THROW(svg_plot(plot), DataError);
}

TEST(SvgPlotTest, ALevelIsALineOverTheWholeWidthThatTheAxisReaches) {
  Plot plot{.title = "",
            .x_label = "",
            .y_label = "",
            .series = {{.name = "s", .x = {0, 1}, .y = {0, 1}}}};
  plot.levels = {{10, "goal"}};
  const std::string svg = svg_plot(plot);
  EXPECT_THAT(svg, HasSubstr(">10</text>"));
  EXPECT_THAT(svg, HasSubstr(">goal</text>"));
  EXPECT_EQ(count(svg, "stroke-dasharray=\"2 3\""), 2) << "the line and its legend";
}

TEST(SvgPlotTest, OneLegendNamesEachLineOfAllPanelsOnce) {
  Plot panel{
      .title = "",
      .x_label = "",
      .y_label = "",
      .series = {{.name = "a", .x = {0, 1}, .y = {0, 1}}, {.name = "b", .x = {0, 1}, .y = {1, 0}}}};
  panel.band = "band: all";
  const std::string svg = svg_panels({panel, panel, panel}, 2, "");
  for (const char* name : {">a</text>", ">b</text>", ">band: all</text>"})
    EXPECT_EQ(count(svg, name), 1) << name;
}

TEST(SvgPlotTest, PanelsApartHaveOneBandEachAndTheAxesOfAll) {
  Plot whole{.title = "w", .x_label = "", .y_label = "", .series = {}};
  for (int i = 0; i < 3; ++i) {
    const double y = 10.0 * i;
    whole.series.push_back({.name = std::string(1, static_cast<char>('a' + i)),
                            .x = {0, 1},
                            .y = {y, y},
                            .low = {y - 1, y - 1},
                            .high = {y + 1, y + 1}});
  }
  whole.series.push_back({.name = "paper", .x = {0, 1}, .y = {5, 5}, .dashed = true});
  const std::vector<Plot> panels = panels_apart(whole);
  ASSERT_EQ(panels.size(), 3u);
  EXPECT_EQ(panels[1].title, "b");
  for (const Plot& panel : panels) {
    EXPECT_EQ(panel.y_limits.high, panels[0].y_limits.high);
    EXPECT_LT(*panel.y_limits.low, -1);
    EXPECT_GT(*panel.y_limits.high, 21);
    const std::string svg = svg_plot(panel);
    EXPECT_EQ(count(svg, "<polygon"), 1);
    EXPECT_EQ(count(svg, "<polyline"), 4);
  }
  const std::string svg = svg_panels(panels, 2, "w");
  EXPECT_EQ(count(svg, ">paper</text>"), 1);
  EXPECT_EQ(count(svg, ">the other lines</text>"), 1);
}

TEST(SvgPlotTest, LongTextsAreBrokenIntoLines) {
  EXPECT_THAT(lines_of("mean return", 13, 500, 2), ElementsAre("mean return"));
  EXPECT_THAT(lines_of("mean return", 13, 60, 2), ElementsAre("mean", "return"));
  EXPECT_THAT(lines_of("one two three four", 10, 30, 2), ElementsAre("one", "two..."));
  EXPECT_EQ(lines_of("0123456789", 10, 33, 3), (std::vector<std::string>{"01234", "56789"}));
  EXPECT_TRUE(lines_of("", 10, 30, 2).empty());
  for (const std::string& line :
       lines_of(std::string(300, 'w') + "\xe6\xb0\xb4\xe6\xb0\xb4", 10, 80, 3))
    EXPECT_LE(text_width(line, 10), 80);
}

// [left, right] x [top, bottom] of each text of a figure, as the widths of the font have it
struct Extent {
  std::string text;
  double left, right, top, bottom;
};
std::vector<Extent> texts_of(const std::string& svg) {
  std::vector<Extent> extents;
  double dx = 0.0, dy = 0.0;
  const std::regex item(
      "<g transform=\"translate\\(([-0-9.]+) ([-0-9.]+)\\)\"|(</g>)|<text x=\"([-0-9.]+)\" "
      "y=\"([-0-9.]+)\" text-anchor=\"([a-z]+)\"([^>]*)>([^<]*)</text>");
  for (auto at = std::sregex_iterator(svg.begin(), svg.end(), item); at != std::sregex_iterator();
       ++at) {
    const std::smatch& m = *at;
    if (m[1].matched) {
      dx = std::stod(m[1]);
      dy = std::stod(m[2]);
    } else if (m[3].matched) {
      dx = dy = 0.0;
    } else {
      const std::string more = m[7];
      std::smatch size;
      const double font = std::regex_search(more, size, std::regex("font-size=\"([0-9.]+)"))
                              ? std::stod(size[1])
                              : 13.0;
      // an entity is a letter
      const std::string text = std::regex_replace(m[8].str(), std::regex("&[a-z]+;"), "&");
      const double width = text_width(text, font), x = std::stod(m[4]) + dx,
                   y = std::stod(m[5]) + dy;
      const double before = m[6] == "middle" ? 0.5 * width : m[6] == "end" ? width : 0.0;
      if (more.find("rotate") != std::string::npos)
        extents.push_back({text, x - font, x, y - 0.5 * width, y + 0.5 * width});
      else
        extents.push_back({text, x - before, x - before + width, y - font, y + 0.3 * font});
    }
  }
  return extents;
}

TEST(SvgPlotTest, NoTextLeavesTheFigure) {
  const std::string nasty[] = {
      "a", "a long name, with commas, of an arm that somebody has called so", std::string(200, 'W'),
      "\xe5\xbc\xb7\xe5\x8c\x96\xe5\xad\xa6\xe7\xbf\x92 \xe2\x88\x91 <&>"};
  for (const double scale : {1e-9, 1.0, 123456.0, 1e12})
    for (const std::string& name : nasty) {
      Plot plot{.title = name,
                .x_label = name,
                .y_label = name,
                .series = {{.name = name, .x = {0, 7e5, 1e6}, .y = {-scale, scale, 0.3 * scale}},
                           {.name = name + "2", .x = {0, 1e6}, .y = {0, scale}, .dashed = true}}};
      plot.series[0].notes = {{0, "12 runs"}, {1, "2 runs"}, {2, "1 run"}};
      plot.levels = {{0.5 * scale, name}};
      plot.band = name;
      for (const std::string& svg : {svg_plot(plot), svg_panels({plot, plot, plot}, 2, name)}) {
        std::smatch size;
        ASSERT_TRUE(
            std::regex_search(svg, size, std::regex("width=\"([0-9]+)\" height=\"([0-9]+)\"")));
        const double width = std::stod(size[1]), height = std::stod(size[2]);
        const std::vector<Extent> texts = texts_of(svg);
        EXPECT_GT(texts.size(), 15u);
        for (const Extent& text : texts) {
          EXPECT_GE(text.left, 0.0) << text.text;
          EXPECT_LE(text.right, width) << text.text;
          EXPECT_GE(text.top, 0.0) << text.text;
          EXPECT_LE(text.bottom, height) << text.text;
        }
      }
    }
}

TEST(SvgPlotTest, NotesMeetNeitherEachOtherNorTheFramesEdge) {
  Plot plot{.title = "", .x_label = "", .y_label = "", .series = {}};
  for (int i = 0; i < 4; ++i) {
    plot.series.push_back({.name = "", .x = {0, 1, 2}, .y = {1, 1.0 + 0.01 * i, 1}});
    plot.series.back().notes = {{0, "9 runs"}, {1, "8 runs"}, {2, "7 runs"}};
  }
  std::vector<Extent> runs;
  for (const Extent& text : texts_of(svg_plot(plot)))
    if (text.text.ends_with("runs")) runs.push_back(text);
  EXPECT_GE(runs.size(), 9u);
  for (std::size_t i = 0; i < runs.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      EXPECT_FALSE(runs[i].left < runs[k].right - 1 && runs[k].left < runs[i].right - 1 &&
                   runs[i].top + 4 < runs[k].bottom && runs[k].top + 4 < runs[i].bottom)
          << i << " and " << k;
}

TEST(SvgPlotTest, AGapSplitsTheLineAndALonePointIsADot) {
  const std::string svg =
      svg_plot({.title = "",
                .x_label = "",
                .y_label = "",
                .series = {{.name = "s", .x = {0, 1, 2, 3}, .y = {0, 1, std::nan(""), 2}}}});
  EXPECT_EQ(count(svg, "<polyline"), 1);
  EXPECT_EQ(count(svg, "<circle"), 1);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(SvgPlotTest, BandsLieUnderAllLinesAndPublishedCurvesAreDashed) {
  PlotSeries ours = series_over_runs("ours", {0, 1}, {{0, 1}, {1, 2}}, Band::kMinMax);
  const PlotSeries paper{.name = "paper", .x = {0, 1}, .y = {0, 1}, .dashed = true};
  const std::string svg =
      svg_plot({.title = "t", .x_label = "x", .y_label = "y", .series = {paper, ours}});
  EXPECT_LT(svg.find("<polygon"), svg.find("<polyline"));
  EXPECT_EQ(count(svg, "stroke-dasharray"), 2) << "its line and its legend";
}

TEST(SvgPlotTest, NamesAreEscaped) {
  const std::string svg = svg_plot({.title = "a < b & \"c\"",
                                    .x_label = "",
                                    .y_label = "",
                                    .series = {{.name = "s", .x = {0, 1}, .y = {0, 1}}}});
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; &quot;c&quot;"));
}

TEST(SvgPlotTest, AFlatLineStillHasAnAxis) {
  const std::string svg = svg_plot(
      {.title = "", .x_label = "", .y_label = "", .series = {{.name = "s", .x = {3}, .y = {7}}}});
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"233.8\" cy=\"153.0\""));
}

// Ticks closer than doubles are would never come to an end.
TEST(SvgPlotTest, ALineWhoseRiseIsRoundingIsFlat) {
  const auto drawn = [](std::vector<double> y) {
    const std::vector<double> x{0, 1};
    return svg_plot(
        {.title = "", .x_label = "", .y_label = "", .series = {{.name = "s", .x = x, .y = y}}});
  };
  EXPECT_EQ(count(drawn({1000.0, std::nextafter(1000.0, 2000.0)}), "<polyline"), 1);
  EXPECT_EQ(count(drawn({1e20, 1e20 + 20000}), "<polyline"), 1);
  EXPECT_EQ(count(drawn({0.0, 5e-324}), "<polyline"), 1);
  for (const char* no_number : {"nan", "inf"}) {
    EXPECT_EQ(drawn({1000.0, std::nextafter(1000.0, 2000.0)}).find(no_number), std::string::npos);
    EXPECT_EQ(drawn({5e-324, 5e-324}).find(no_number), std::string::npos);
    EXPECT_EQ(drawn({-9e299, 9e299}).find(no_number), std::string::npos);
  }
  EXPECT_EQ(count(drawn({1.0, 1e301}), "<circle"), 1) << "the larger one is a gap";
}

TEST(SvgPlotTest, AnEmptyPlotAndUnequalLengthsAreErrors) {
  Plot plot{.title = "hopper",
            .x_label = "",
            .y_label = "",
            .series = {{.name = "s", .x = {1}, .y = {std::nan("")}}}};
  try {
    svg_plot(plot);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("plot hopper: there is nothing to draw"));
  }
  plot.series[0].y = {1, 2};
  EXPECT_THROW(svg_plot(plot), ShapeError);
}

}  // namespace
}  // namespace mbrl
