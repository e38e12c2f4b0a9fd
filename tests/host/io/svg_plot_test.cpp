// Tests for host/io/svg_plot.{h,cpp}.
#include "host/io/svg_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

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

TEST(SvgPlotTest, TicksAreShortNumbers) {
  EXPECT_EQ(tick_text(0), "0");
  EXPECT_EQ(tick_text(250), "250");
  EXPECT_EQ(tick_text(-3500), "-3500");
  EXPECT_EQ(tick_text(25000), "25k");
  EXPECT_EQ(tick_text(1.5e6), "1.5M");
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
  EXPECT_EQ(tick_text(3 * 0.2), "0.6");
}

TEST(SvgPlotTest, AMeanWithDeviationIsABandOfItsOwnHeight) {
  // runs {1, 3} and {3, 7}: means 2 and 5, deviations sqrt 2 and 2 sqrt 2; the axis is 0.586..7.828
  const PlotSeries series = series_over_runs("s", {0, 1}, {{1, 3}, {3, 7}}, Band::kStd);
  EXPECT_THAT(series.low, ElementsAre(2 - std::sqrt(2.0), 5 - std::sqrt(8.0)));
  EXPECT_THAT(series.high, ElementsAre(2 + std::sqrt(2.0), 5 + std::sqrt(8.0)));
  const std::string svg = svg_plot({.title = "", .x_label = "", .y_label = "", .series = {series}});
  EXPECT_THAT(svg, HasSubstr("<polygon points=\"70.0,249.7 700.0,40.0 700.0,308.7 70.0,384.0\""));
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
  EXPECT_THAT(svg, HasSubstr("width=\"800\" height=\"632\" viewBox=\"0 0 800 632\""));
  EXPECT_EQ(count(svg, "<svg"), 1);
  EXPECT_EQ(count(svg, "<polyline"), 3);
  EXPECT_THAT(svg, HasSubstr("all &lt; 3"));
  // each in its cell, with an axis of its own
  const std::size_t a = svg.find("translate(0 32)"), b = svg.find("translate(400 32)"),
                    c = svg.find("translate(0 332)");
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
  EXPECT_EQ(count(svg_plot(plot), "h28"), 0);
  plot.series[0].name = "s";
  EXPECT_EQ(count(svg_plot(plot), "h28"), 1);
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
  // the frame of a plot with one legend row is 70..700 by 40..384
  const std::string svg = svg_plot({.title = "t",
                                    .x_label = "x",
                                    .y_label = "y",
                                    .series = {{.name = "s", .x = {0, 5, 10}, .y = {0, 1, 2}}}});
  EXPECT_THAT(svg, HasSubstr("<polyline points=\"70.0,384.0 385.0,212.0 700.0,40.0\""));
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
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"385.0\" cy=\"212.0\""));
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
