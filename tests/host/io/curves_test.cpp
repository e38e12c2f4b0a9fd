// Tests for host/io/curves.{h,cpp}.
#include "host/io/curves.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(CurvesTest, ACurveIsLinearBetweenPointsAndNothingOutside) {
  const Curve curve{{10, 20, 40}, {1, 3, 7}};
  EXPECT_EQ(curve.at(10), 1.0);
  EXPECT_EQ(curve.at(15), 2.0);
  EXPECT_EQ(curve.at(40), 7.0);
  EXPECT_TRUE(std::isnan(curve.at(9)));
  EXPECT_TRUE(std::isnan(curve.at(41)));
}

TEST(CurvesTest, ReadsAColumnWithoutCommentsAndEmptyFields) {
  const TemporaryDirectory folder;
  const std::string path =
      folder.write("t.csv", "# made by hand\nenv_steps,a,b\n1,10,\n2,,5\n3,30,6\n");
  const Curve a = read_curve(path, "a"), b = read_curve(path, "b");
  EXPECT_THAT(a.x, ElementsAre(1, 3));
  EXPECT_THAT(a.y, ElementsAre(10, 30));
  EXPECT_THAT(b.x, ElementsAre(2, 3));
}

TEST(CurvesTest, MissingColumnsEmptyOnesAndFallingStepsAreErrors) {
  const TemporaryDirectory folder;
  const std::string path = folder.write("t.csv", "env_steps,a,b\n2,1,\n1,3,\n");
  const auto error = [&](const std::string& column) -> std::string {
    try {
      read_curve(path, column);
    } catch (const DataError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(error("c"), path + " has no column c; its columns are env_steps,a,b.");
  EXPECT_EQ(error("b"), path + " holds no rows with b.");
  EXPECT_EQ(error("a"), path + ": env_steps 1 follows 2; expected rising steps.");
}

TEST(CurvesTest, StepsThatNobodyCountsAreErrors) {
  const TemporaryDirectory folder;
  for (const char* steps : {"-1", "1e300", "2e15"}) {
    const std::string path = folder.write("t.csv", fmt::format("env_steps,a\n{},1\n", steps));
    EXPECT_THAT(error_text<DataError>([&] { read_curve(path, "a"); }),
                testing::HasSubstr("expected 0 to 1e+15"))
        << steps;
  }
  EXPECT_EQ(read_curve(folder.write("t.csv", "env_steps,a\n0,1\n1e15,2\n"), "a").x.back(), 1e15);
}

TEST(CurvesTest, FindsTablesOfRunsBelowAFolder) {
  const TemporaryDirectory folder;
  for (const char* run : {"x/1f/seed-1", "x/1f/seed-0", "x/other"})
    fs::create_directories(folder.path() / run);
  for (const char* table : {"x/1f/seed-1/metrics.csv", "x/1f/seed-0/metrics.csv", "x/seed-7.csv",
                            "x/other/episodes.csv"})
    folder.write(table, "env_steps,a\n1,2\n");
  EXPECT_THAT(
      find_tables(folder.path() / "x"),
      ElementsAre(folder.path() / "x/1f/seed-0/metrics.csv",
                  folder.path() / "x/1f/seed-1/metrics.csv", folder.path() / "x/seed-7.csv"));
  EXPECT_THAT(find_tables(folder.path() / "x/seed-7.csv"),
              ElementsAre(folder.path() / "x/seed-7.csv"));
  EXPECT_EQ(read_curves(folder.path() / "x", "a").size(), 3u);
  EXPECT_THROW(find_tables(folder.path() / "x/other"), DataError);
  EXPECT_THROW(find_tables(folder.path() / "nowhere"), DataError);
}

TEST(CurvesTest, ALastLineWithoutItsEndIsNoRow) {
  const TemporaryDirectory folder;
  const Curve curve = read_curve(folder.write("t.csv", "env_steps,a\n1,10\n2,-12"), "a");
  EXPECT_THAT(curve.x, ElementsAre(1));
  EXPECT_THROW(read_curve(folder.write("u.csv", "env_steps,a\n1,10"), "a"), NoRows);
  EXPECT_THROW(read_curve(folder.write("v.csv", "env_steps,a"), "a"), NoRows);
  EXPECT_THROW(read_curve(folder.write("w.csv", ""), "a"), NoRows);
}

TEST(CurvesTest, TablesOfOtherSystemsAreRead) {
  const TemporaryDirectory folder;
  for (const char* text : {"\xef\xbb\xbf"
                           "env_steps,a\n1,10\n",
                           "# by hand\r\nenv_steps,a\r\n1,10\r\n"}) {
    const Curve curve = read_curve(folder.write("t.csv", text), "a");
    EXPECT_THAT(curve.y, ElementsAre(10)) << text;
  }
}

TEST(CurvesTest, NumbersThatAreNotFiniteAreNotMeasured) {
  const TemporaryDirectory folder;
  const Curve curve =
      read_curve(folder.write("t.csv", "env_steps,a\n1,10\n2,nan\n3,inf\nnan,4\n5,6\n"), "a");
  EXPECT_THAT(curve.x, ElementsAre(1, 5));
}

TEST(CurvesTest, ARunThatHasJustBegunAndOneThatCannotBeReadAreLeftOutAndNamed) {
  const TemporaryDirectory folder;
  for (const char* seed : {"seed-0", "seed-1", "seed-2", "seed-3"})
    fs::create_directories(folder.path() / seed);
  folder.write("seed-0/metrics.csv", "env_steps,a\n1,2\n");
  folder.write("seed-1/metrics.csv", "env_steps,a\n");
  folder.write("seed-2/metrics.csv", "");
  fs::create_symlink("metrics.csv", folder.path() / "seed-3/metrics.csv");  // of itself
  testing::internal::CaptureStderr();
  EXPECT_EQ(read_curves(folder.path(), "a").size(), 1u);
  const std::string warnings = testing::internal::GetCapturedStderr();
  EXPECT_THAT(warnings, HasSubstr("seed-1/metrics.csv holds no rows with a"));
  EXPECT_THAT(warnings, HasSubstr("seed-2/metrics.csv holds no rows with a"));
  EXPECT_THAT(warnings, HasSubstr("seed-3/metrics.csv cannot be read: Too many levels"));
  EXPECT_THROW(read_curves(folder.path() / "seed-1", "a"), NoRows);
}

TEST(CurvesTest, LinksLeadToRunsAndRunsSetAsideAreNone) {
  const TemporaryDirectory folder;
  fs::create_directories(folder.path() / "far/seed-0");
  fs::create_directories(folder.path() / "near/seed-1.old-1");
  folder.write("far/seed-0/metrics.csv", "env_steps,a\n1,2\n");
  folder.write("near/seed-1.old-1/metrics.csv", "env_steps,a\n1,3\n");
  fs::create_directory_symlink(folder.path() / "far/seed-0", folder.path() / "near/seed-0");
  EXPECT_THAT(find_tables(folder.path() / "near"),
              ElementsAre(folder.path() / "near/seed-0/metrics.csv"));
}

TEST(CurvesTest, APathThatExistsIsNoName) {
  const TemporaryDirectory folder;
  const std::string path = (folder.path() / "lr=0.001").string();
  fs::create_directory(path);
  EXPECT_EQ(name_and_path(path).first, "lr=0.001");
  EXPECT_EQ(name_and_path(path + "/").second, path + "/");
  EXPECT_EQ(name_and_path("a=" + path).first, "a");
  EXPECT_EQ(name_and_path("a=" + path).second, path);
}

TEST(CurvesTest, NamesMayBeShownWhateverBytesTheyHold) {
  EXPECT_EQ(name_and_path("n\xe9\x1b=a.csv").first, "n\\xe9\\x1b");
  EXPECT_EQ(name_and_path("runs/n\xe9").first, "n\\xe9");
  EXPECT_EQ(name_and_path("runs/n\xe9").second.string(), "runs/n\xe9");
}

TEST(CurvesTest, APathNamesItselfUnlessANameStandsBefore) {
  EXPECT_EQ(name_and_path("runs/hopper").first, "hopper");
  EXPECT_EQ(name_and_path("runs/hopper/").first, "hopper");
  EXPECT_EQ(name_and_path("MBPO=runs/hopper").first, "MBPO");
  EXPECT_EQ(name_and_path("MBPO=runs/hopper").second, "runs/hopper");
}

TEST(CurvesTest, ARunIsNamedByItsNameAndSeedAlsoBehindALink) {
  const TemporaryDirectory folder;
  const fs::path run = folder.path() / "hopper/0123abcd/seed-3";
  fs::create_directories(run);
  fs::create_directory_symlink(run, folder.path() / "latest");
  EXPECT_EQ(name_and_path(run.string()).first, "hopper seed-3");
  EXPECT_EQ(name_and_path(run.string() + "/").first, "hopper seed-3");
  EXPECT_EQ(name_and_path((folder.path() / "latest").string()).first, "hopper seed-3");
  EXPECT_EQ(name_and_path((run / "..").string()).first, "hopper");
  EXPECT_EQ(name_and_path(run.parent_path().string()).first, "hopper");
  EXPECT_EQ(name_and_path((folder.path() / "hopper").string()).first, "hopper");
  // no folder of runs: what is written stands
  fs::create_directories(folder.path() / "x/seed-3");
  EXPECT_EQ(name_and_path((folder.path() / "x/seed-3").string()).first, "seed-3");
}

TEST(CurvesTest, TheCommonRangeIsWhatAllCover) {
  const StepRange range = common_range({{{1, 5, 9}, {0, 0, 0}}, {{2, 12}, {0, 0}}});
  EXPECT_EQ(range.low, 2.0);
  EXPECT_EQ(range.high, 9.0);
}

TEST(CurvesTest, TheMeanOverACurveIsItsAreaByItsWidth) {
  const Curve curve{{0, 10, 20}, {0, 10, 10}};
  EXPECT_EQ(mean_over(curve, {0, 20}), 7.5);    // 50 + 100 over 20
  EXPECT_EQ(mean_over(curve, {5, 15}), 8.75);   // 37.5 + 50 over 10
  EXPECT_EQ(mean_over(curve, {10, 10}), 10.0);  // one step
  // a point more on the same line changes nothing
  EXPECT_EQ(mean_over({{0, 5, 10, 20}, {0, 5, 10, 10}}, {0, 20}), 7.5);
}

TEST(CurvesTest, TheLastValueIsNotAfterTheStep) {
  const Curve curve{{10, 20}, {1, 2}};
  EXPECT_EQ(last_value(curve, 25), 2.0);
  EXPECT_EQ(last_value(curve, 20), 2.0);
  EXPECT_EQ(last_value(curve, 19), 1.0);
  EXPECT_TRUE(std::isnan(last_value(curve, 9)));
}

}  // namespace
}  // namespace mbrl
