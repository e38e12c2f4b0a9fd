// Tests for host/cli/plot.cpp, columns.{h,cpp} and host/io/figure_file.{h,cpp}: what figures say and
// where they are written, from the real program.
#include <gmock/gmock.h>

#include <filesystem>
#include <limits>

#include "host/cli/columns.h"
#include "tests/support/program.h"

namespace mbrl {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

// tables of runs by path; `figure` draws them
class PlotTest : public ProgramTest {
 protected:
  void table(const std::string& path, const std::string& rows,
             const std::string& column = "eval_return_mean") {
    const auto file = folder_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    write_text(file, "env_steps," + column + "\n" + rows);
  }
  std::string figure(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"plot", "f.svg"});
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    return file_text(folder_.path() / "f.svg");
  }
  std::string refused(std::vector<std::string> arguments, int exit_code = 2) {
    arguments.insert(arguments.begin(), "plot");
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.error;
    return outcome.error;
  }
};

TEST_F(PlotTest, ATitleAndAxesSayWhatIsDrawn) {
  table("hopper/seed-0.csv", "0,1\n10,2\n");
  const std::string svg = figure({"ours=hopper"});
  for (const char* text : {">hopper</text>", ">environment steps</text>",
                           ">mean return of evaluation episodes</text>", ">ours (1 run)</text>"})
    EXPECT_EQ(count(svg, text), 1) << text;
  EXPECT_THAT(svg, Not(HasSubstr("band"))) << "one run has none";
  table("t/seed-0.csv", "0,1\n10,2\n", "sac_loss");
  EXPECT_THAT(figure({"t", "--column", "sac_loss"}), HasSubstr(">sac_loss</text>"));
  const std::string own =
      figure({"ours=hopper", "--title", "", "--y-label", "return", "--x-label", "steps"});
  EXPECT_THAT(own, Not(HasSubstr(">hopper<")));
  EXPECT_THAT(own, HasSubstr(">return</text>"));
  EXPECT_THAT(own, HasSubstr(">steps</text>"));
}

TEST_F(PlotTest, TheAxisTellsHowManyEpisodesAReturnIsOf) {
  ASSERT_EQ(run({"run", "smoke", "--device", "cpu", "--threads", "1", "name=tiny", "algorithm=sac",
                 "loop.num_env_steps=420", "eval.interval=100", "eval.num_episodes=3",
                 "sac.updates_per_step=1", "sac.hidden_sizes=[8,8]"})
                .exit_code,
            0);
  const std::string svg = figure({"runs/tiny"});
  EXPECT_THAT(svg, HasSubstr(">mean return of 3 evaluation episodes</text>"));
  EXPECT_THAT(svg, HasSubstr(">pendulum</text>"));
}

TEST_F(PlotTest, TheLegendNamesTheBand) {
  table("a/seed-0.csv", "0,1\n10,2\n");
  table("a/seed-1.csv", "0,3\n10,2\n");
  EXPECT_THAT(figure({"a"}), HasSubstr(">band: lowest to highest run</text>"));
  EXPECT_EQ(figure({"a", "--band", "minmax"}), figure({"a", "--band", "range"}));
  EXPECT_THAT(figure({"a", "--band", "sd"}), HasSubstr("standard deviation</text>"));
  const std::string ci = figure({"a", "--band", "ci"});
  EXPECT_THAT(ci, HasSubstr(">band: 95 % bootstrap interval of the mean</text>"));
  EXPECT_EQ(figure({"a", "--band", "ci"}), ci) << "its seed is fixed";
}

// Means 500 and 990 with deviations of 693 and 14: of returns between 0 and 1000.
TEST_F(PlotTest, ABandOfDeviationsStaysWithinPossibleValues) {
  for (const char* folder : {"inverted_pendulum", "unknown"}) {
    table(std::string(folder) + "/seed-0.csv", "0,10\n100,980\n");
    table(std::string(folder) + "/seed-1.csv", "0,990\n100,1000\n");
  }
  const std::string cut = figure({"inverted_pendulum", "--band", "sd"});
  EXPECT_THAT(cut, HasSubstr("standard deviation, within possible values</text>"));
  // the axis is -50 to 1050 on 264 pixels, the upper end of the band 12 below the frame's top
  const std::string top = " y=\"26.0\" text-anchor=\"end\" font-size=\"12\">1000</text>";
  EXPECT_THAT(cut, HasSubstr(top));
  const std::string whole = figure({"unknown", "--band", "sd"});
  EXPECT_THAT(whole, Not(HasSubstr("within possible values")));
  EXPECT_THAT(whole, Not(HasSubstr(top))) << "nothing is known of it";
}

TEST_F(PlotTest, LossesAndSharesAndReturnsHaveTheirBounds) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(column_info("critic_loss", "").low, 0);
  EXPECT_EQ(column_info("critic_loss", "").high, kInfinity);
  EXPECT_EQ(column_info("actor_loss", "").low, -kInfinity);
  EXPECT_EQ(column_info("real_ratio", "").high, 1);
  EXPECT_EQ(column_info("eval_return_mean", "hopper").high, kInfinity);
  EXPECT_EQ(column_info("eval_return_mean", "inverted_pendulum").high, 1000);
  EXPECT_EQ(column_info("return", "inverted_pendulum", 0, 50).high, 50);
  EXPECT_EQ(column_info("train_return", "pendulum").high, 0);
  EXPECT_NEAR(column_info("train_return", "pendulum").low, -3254.7, 0.1);
  EXPECT_EQ(column_info("eval_return_mean", "").low, -kInfinity);
  EXPECT_EQ(column_info("mine", "hopper").label, "mine");
  EXPECT_EQ(column_info("eval_return_mean", "", 10).label, "mean return of 10 evaluation episodes");
}

TEST_F(PlotTest, TheNumberOfRunsStandsWhereItChanges) {
  table("a/seed-0.csv", "0,0\n100,1\n200,2\n300,3\n400,4\n");
  table("a/seed-1.csv", "200,4\n300,5\n400,6\n");
  table("a/seed-2.csv", "3,4\n102,5\n198,6\n");
  const std::string svg = figure({"a"});
  EXPECT_EQ(count(svg, ">2 runs</text>"), 2) << "at first, and after 200";
  EXPECT_EQ(count(svg, ">3 runs</text>"), 1) << "at 200";
  // evaluations of the same number fall on slightly different steps: no change
  table("a/seed-1.csv", "4,4\n104,5\n203,6\n305,5\n397,6\n");
  table("a/seed-2.csv", "3,4\n102,5\n198,6\n299,5\n404,6\n");
  EXPECT_THAT(figure({"a"}), Not(HasSubstr(" runs</text>\n</g>")));
  EXPECT_EQ(count(figure({"a"}), ">3 runs</text>") + count(figure({"a"}), ">2 runs</text>"), 0);
}

TEST_F(PlotTest, FourBandsAreFourPanels) {
  std::vector<std::string> words;
  for (const std::string arm : {"a", "b", "c", "d"}) {
    table(arm + "/seed-0.csv", "0,1\n10,2\n");
    table(arm + "/seed-1.csv", "0,3\n10,2\n");
    words.push_back(arm);
  }
  const std::string svg = figure(words);
  EXPECT_EQ(count(svg, "<g transform"), 4);
  EXPECT_EQ(count(svg, "<polygon"), 4);
  EXPECT_EQ(count(svg, ">band: lowest to highest run</text>"), 1) << "one legend";
  words.insert(words.end(), {"--panels", "together"});
  const std::string together = figure(words);
  EXPECT_EQ(count(together, "<g transform"), 1);
  EXPECT_EQ(count(together, "<polygon"), 4);
  EXPECT_EQ(count(figure({"a", "b", "--panels", "apart"}), "<g transform"), 2);
}

TEST_F(PlotTest, SmoothIsARunningMeanOfEachRun) {
  // means of the last two: 0, 5, 15, 25
  table("a.csv", "0,0\n100,10\n200,20\n300,30\n");
  table("b.csv", "0,0\n100,5\n200,15\n300,25\n");
  const std::string smooth = figure({"n=a.csv", "--smooth", "2", "--y-label", "y", "--title", "t"});
  const std::string given = figure({"n=b.csv", "--y-label", "y, mean of 2 rows", "--title", "t"});
  EXPECT_EQ(smooth, given);
}

TEST_F(PlotTest, LimitsAndLogarithms) {
  table("a.csv", "0,1\n100,10\n200,1000\n");
  EXPECT_THAT(figure({"a.csv", "--log"}), HasSubstr(">100</text>"));
  EXPECT_THAT(figure({"a.csv", "--xlim", ",100"}), Not(HasSubstr(">200</text>")));
  EXPECT_THAT(figure({"a.csv", "--ylim=-10,10"}), HasSubstr(">-10</text>"));
  EXPECT_THAT(refused({"f.svg", "a.csv", "--xlim", "5"}),
              StartsWith("plot --xlim 5: there is no comma; expected LOW,HIGH"));
  EXPECT_THAT(refused({"f.svg", "a.csv", "--ylim", "5,5"}), HasSubstr("5 is not below 5"));
  EXPECT_THAT(refused({"f.svg", "a.csv", "--ylim", "0,nan"}), HasSubstr("\"nan\" is no number"));
  EXPECT_THAT(refused({"f.svg", "a.csv", "--ylim", ","}), HasSubstr("there is no number"));
  EXPECT_THAT(refused({"f.svg", "a.csv", "--log", "--ylim", "0,5"}),
              HasSubstr("has no place on a logarithmic axis"));
  EXPECT_THAT(refused({"f.svg", "a.csv", "--xlim", "500,600"}, 4),
              HasSubstr("there is nothing to draw"));
  table("z.csv", "0,0\n100,-1\n");
  EXPECT_THAT(refused({"f.svg", "z.csv", "--log"}, 4), HasSubstr("above 0"));
}

TEST_F(PlotTest, AReferenceIsALevelOrACurve) {
  table("a.csv", "0,1\n100,10\n");
  table("c.csv", "0,2\n100,20\n");
  EXPECT_THAT(figure({"a.csv", "--reference", "3800"}), HasSubstr(">3800</text>"));
  EXPECT_THAT(figure({"a.csv", "--reference", "38=the threshold"}),
              HasSubstr(">the threshold</text>"));
  const std::string year = figure({"a.csv", "--reference", "2019=c.csv"});
  EXPECT_THAT(year, HasSubstr(">2019</text>"));
  EXPECT_EQ(count(year, "<polyline"), 2) << "the file is there";
  EXPECT_THAT(refused({"f.svg", "a.csv", "--reference", "c"}, 4), HasSubstr("c cannot be read"));
}

TEST_F(PlotTest, APngIsMadeByAProgramOnThePath) {
  table("a.csv", "0,1\n100,10\n");
  // a renderer of ours: what it is given, behind the mark of a PNG
  std::filesystem::create_directory(folder_.path() / "bin");
  const auto renderer = folder_.path() / "bin" / "resvg";
  write_text(renderer, "#!/bin/sh\nprintf '\\211PNG %s\\n' \"$*\"\nexec /bin/cat\n");
  std::filesystem::permissions(renderer, std::filesystem::perms::owner_all);
  ASSERT_EQ(shell("PATH=bin $M plot f.png a.csv >out 2>err"), 0)
      << file_text(folder_.path() / "err");
  const std::string png = file_text(folder_.path() / "f.png");
  EXPECT_THAT(png, StartsWith("\x89PNG --zoom 3 - -c\n<svg "));
  EXPECT_EQ(png.substr(png.find('\n') + 1), figure({"a.csv"}));

  write_text(renderer, "#!/bin/sh\necho no font >&2\nexit 3\n");
  EXPECT_EQ(shell("PATH=bin $M plot f.png a.csv >out 2>err"), 4);
  EXPECT_EQ(file_text(folder_.path() / "err"),
            "bin/resvg made no PNG of the figure; it said: no font. Write an .svg file instead.\n");
  EXPECT_EQ(file_text(folder_.path() / "f.png"), png) << "the one of before";
}

TEST_F(PlotTest, AnImageThatCannotBeMadeIsRefusedWithTheWayOut) {
  table("a.csv", "0,1\n100,10\n");
  EXPECT_EQ(shell("PATH=nowhere $M plot 'my f.PNG' a.csv >out 2>err"), 2);
  EXPECT_THAT(file_text(folder_.path() / "err"),
              StartsWith("my f.PNG: a PNG is made by rsvg-convert or resvg, and neither is on the "
                         "PATH. Install one (`apt-get install librsvg2-bin`"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "my f.PNG"));
  EXPECT_THAT(refused({"f.pdf", "a.csv"}), StartsWith("f.pdf: figures are written as .svg or .png, "
                                                      "not as .pdf. Write f.svg and convert it"));
  EXPECT_EQ(run({"bound", "--svg", "b.pdf"}).exit_code, 2);
}

// The real one, where there is one.
TEST_F(PlotTest, RsvgConvertMakesAPngOfThreeTimesTheSize) {
  if (shell("command -v rsvg-convert >/dev/null") != 0)
    GTEST_SKIP() << "rsvg-convert is not installed (apt-get install librsvg2-bin)";
  table("a.csv", "0,1\n100,10\n");
  ASSERT_EQ(run({"plot", "f.png", "a.csv"}).exit_code, 0);
  const std::string png = file_text(folder_.path() / "f.png");
  ASSERT_GT(png.size(), 24u);
  const auto number = [&](std::size_t at) {
    int value = 0;
    for (std::size_t i = at; i < at + 4; ++i)
      value = value * 256 + static_cast<unsigned char>(png[i]);
    return value;
  };
  EXPECT_EQ(number(16), 3 * 440);
}

}  // namespace
}  // namespace mbrl
