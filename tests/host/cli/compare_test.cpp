// Tests for host/cli/compare.cpp, compare_arms.{h,cpp} and reference_scores.{h,cpp}: arms, tasks,
// scores and what is printed, from the real program.
#include <gmock/gmock.h>

#include <filesystem>

#include "envs/options.h"
#include "host/cli/reference_scores.h"
#include "tests/support/program.h"
#include "tests/support/statistics_values.h"

namespace mbrl {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

class CompareArmsTest : public ProgramTest {
 protected:
  // runs of constant return over 100 steps: arm/<environment>/seed-<n>.csv
  void write_runs(const std::string& arm, const std::string& environment,
                  const std::vector<double>& returns) {
    const auto folder = folder_.path() / arm / environment;
    std::filesystem::create_directories(folder);
    for (std::size_t i = 0; i < returns.size(); ++i)
      write_text(folder / ("seed-" + std::to_string(i) + ".csv"),
                 "env_steps,eval_return_mean\n0," + std::to_string(returns[i]) + "\n100," +
                     std::to_string(returns[i]) + "\n");
  }
  nlohmann::json compare(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "compare");
    arguments.push_back("--json");
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    return nlohmann::json::parse(output());
  }
};

const std::string kCurves = MBRL_SOURCE_DIR "/results/autombpo_inverted_pendulum/";

TEST_F(CompareArmsTest, StatisticsOfShippedCurvesAreScipysAndRliables) {
  for (const std::string by : {"auc", "final"}) {
    const auto json = compare({"autombpo=" + kCurves + "autombpo", "mbpo=" + kCurves + "mbpo",
                               "--to", "2300", "--by", by});
    EXPECT_EQ(json["steps"][0], golden_value("curves/low"));
    EXPECT_EQ(json["steps"][1], golden_value("curves/high"));
    const std::string key = "curves/" + by + "/";
    for (const auto& arm : json["arms"]) {
      const std::string own = key + arm["name"].get<std::string>() + "/";
      EXPECT_EQ(arm["n"], 30);
      for (const char* name : {"mean", "median", "sd", "iqm"})
        EXPECT_NEAR(arm[name], golden_value(own + name), 1e-9) << own << name;
      // the ends of 10,000 and 20,000 samples scatter by about 3 where a deviation is 170
      const std::pair<const char*, const char*> kIntervals[] = {
          {"interval", "mean"}, {"median_interval", "median"}, {"iqm_interval", "iqm"}};
      for (const auto& [interval, name] : kIntervals) {
        EXPECT_NEAR(arm[interval][0], golden_value(own + name + "/low"), 12) << own << name;
        EXPECT_NEAR(arm[interval][1], golden_value(own + name + "/high"), 12) << own << name;
      }
    }
    EXPECT_NEAR(json["welch"]["t"], golden_value(key + "t"), 1e-9);
    EXPECT_NEAR(json["welch"]["df"], golden_value(key + "df"), 1e-9);
    EXPECT_NEAR(json["welch"]["p"], golden_value(key + "p"), 1e-9);
    EXPECT_NEAR(json["welch"]["interval"][0], golden_value(key + "difference/low"), 1e-7);
    EXPECT_NEAR(json["welch"]["interval"][1], golden_value(key + "difference/high"), 1e-7);
    EXPECT_NEAR(json["improvement"]["probability"], golden_value(key + "improvement"), 1e-12);
  }
}

TEST_F(CompareArmsTest, ThreeArmsAreRankedAndTestedAgainstTheChosenOne) {
  write_runs("a", "x", {1, 2, 3});
  write_runs("b", "x", {7, 8, 9});
  write_runs("c", "x", {4, 5, 6});
  ASSERT_EQ(run({"compare", "a", "b", "c", "--against", "c"}).exit_code, 0);
  EXPECT_THAT(output(), ContainsRegex("\nbest first +n +mean +median +sd +IQM +95 % of the mean\n"
                                      "b +3 +8.00 +8.00 +1.00 +8.00 +7.00 to 9.00\n"
                                      "c +3 +5.00 [^\n]*\na +3 +2.00 "));
  // squared errors 1/3 each: t = 3 / sqrt(2/3), twice; Holm doubles the smaller p
  EXPECT_THAT(output(), ContainsRegex("\nagainst c +difference +95 % +Welch p +Holm p\n"
                                      "b +3.00 +0.73 to 5.27 +0.0213 +0.0426\n"
                                      "a +-3.00 +-5.27 to -0.73 +0.0213 +0.0426\n"));
  EXPECT_THAT(output(), ContainsRegex("\nagainst c +P\\(above\\) +95 %\n"
                                      "b +1.00 +1.00 to 1.00\na +0.00 +0.00 to 0.00\n"));
  const auto json = compare({"a", "b", "c", "--lower-is-better"});
  EXPECT_EQ(json["arms"][0]["rank"], 1) << "a, the lowest";
  EXPECT_EQ(json["arms"][1]["rank"], 3);
  EXPECT_EQ(json["improvement"][0]["probability"], 0.0) << "b is below a in no pair";
}

TEST_F(CompareArmsTest, RowsFitEightyColumns) {
  write_runs("an arm of 18 bytes", "x", {1234.5, 2345.6, 3456.7});
  write_runs("b", "x", {-999, 12345, 9});
  for (const char* third : {"", "c"}) {
    std::vector<std::string> words{"compare", "an arm of 18 bytes", "b"};
    write_runs("c", "x", {-1, 0, 1});
    if (*third != '\0') words.push_back(third);
    ASSERT_EQ(run(words).exit_code, 0);
    std::istringstream lines(output());
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_F(CompareArmsTest, SeveralEnvironmentsAreNormalizedByPublishedScores) {
  write_runs("sac", "hopper", {17.71, 3917});
  write_runs("sac", "walker2d", {2.79, 6029});
  write_runs("sac", "swimmer", {1, 2});
  write_runs("mbpo", "hopper", {3917, 3917});
  write_runs("mbpo", "walker2d", {6029, 3015.895});
  // a folder of several environments, and one name several times
  for (const bool folders : {true, false}) {
    std::vector<std::string> words{"compare"};
    if (folders)
      words.insert(words.end(), {"sac", "mbpo"});
    else
      words.insert(words.end(), {"sac=sac/hopper", "sac=sac/walker2d", "mbpo=mbpo/walker2d",
                                 "mbpo=mbpo/hopper"});
    const Outcome outcome = run(words);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
    if (folders) {
      EXPECT_THAT(outcome.error, HasSubstr("left out, as not all arms have runs of it: swimmer"));
    }
    EXPECT_THAT(output(),
                HasSubstr("  hopper: 17.71 (uniform random actions) and 3917 (SAC-SVG(H), "
                          "Amos et al. 2021, arXiv:2008.12775)\n"));
    EXPECT_THAT(output(), ContainsRegex("\nsac +4 +0.500 +0.500 +0.500 "));
    EXPECT_THAT(output(), ContainsRegex("\nmbpo +4 +0.875 +0.875 +1.000 "));
    EXPECT_THAT(output(), ContainsRegex("\nmbpo +walker2d +1506.5"));
  }
  const auto range = compare({"sac", "mbpo", "--normalize", "range"});
  EXPECT_EQ(range["tasks"][0]["normalized"]["zero"], 17.71);
  EXPECT_EQ(range["tasks"][1]["normalized"]["one"], 6029);
  EXPECT_EQ(compare({"sac", "mbpo", "--normalize", "none"})["arms"][1]["values"]["hopper"][0],
            3917);
}

TEST_F(CompareArmsTest, ScoresMayComeFromAFile) {
  write_runs("a", "hopper", {10, 20});
  write_runs("b", "hopper", {20, 30});
  folder_.write("s.csv", "# ours\ntask,zero,one\nhopper,10,20\n");
  const auto json = compare({"a", "b", "--normalize", "s.csv"});
  EXPECT_EQ(json["b"]["mean"], 1.5);
  EXPECT_EQ(json["welch"]["difference"], -10.0) << "tests are of returns";
  folder_.write("s.csv", "hopper,10\n");
  run({"compare", "a", "b", "--normalize", "s.csv"});
  folder_.write("s.csv", "hopper,10,20\nwalker2d,1,1\n");
  const Outcome equal = run({"compare", "a", "b", "--normalize", "s.csv"});
  EXPECT_EQ(equal.exit_code, 4);
  EXPECT_THAT(equal.error, StartsWith("s.csv, line 2: \"walker2d,1,1\" gives no task two scores;"));
  EXPECT_THAT(run({"compare", "a", "b", "--normalize", "none.csv"}).error,
              HasSubstr("none.csv cannot be read"));
  EXPECT_THAT(run({"compare", "a", "b", "--normalize", "published", "--column", "env_steps"}).error,
              HasSubstr("published scores are returns"));
}

TEST_F(CompareArmsTest, EveryEnvironmentHasPublishedScores) {
  for (const std::string& name : env_names()) {
    const std::optional<ReferenceScores> scores = find_scores(published_scores(), name);
    EXPECT_EQ(scores.has_value(), name != "mjcf" && name != "process") << name;
    if (scores) {
      EXPECT_GT(scores->one, scores->zero) << name;
    }
  }
}

TEST_F(CompareArmsTest, ArmsWithoutATestSayWhy) {
  write_runs("a", "x", {1, 2});
  write_runs("b", "x", {3});
  write_runs("c", "x", {5, 6});
  const Outcome outcome = run({"compare", "a", "b", "c"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(output(), ContainsRegex("\nb +- +- +- +-\n"));
  EXPECT_THAT(output(),
              HasSubstr("no test: Welch's test: b has 1 run; a variance needs at least 2"));
}

TEST_F(CompareArmsTest, WhatIsNoComparisonIsTold) {
  write_runs("a", "hopper", {1, 2});
  write_runs("a", "ant", {1, 2});
  write_runs("b", "walker2d", {1, 2});
  write_runs("b", "swimmer", {1, 2});
  const Outcome one = run({"compare", "x=a/hopper", "x=a/ant"});
  EXPECT_EQ(one.exit_code, 2);
  EXPECT_THAT(one.error, StartsWith("compare: there is one arm, x; expected two or more"));
  EXPECT_EQ(run({"compare", "a"}).exit_code, 2);
  const Outcome apart = run({"compare", "a", "b"});
  EXPECT_EQ(apart.exit_code, 4);
  EXPECT_THAT(apart.error, HasSubstr("the arms have no environment in common; theirs are ant, "
                                     "hopper, swimmer, walker2d."));
  const Outcome against = run({"compare", "a/hopper", "b/swimmer", "--against", "hoper"});
  EXPECT_EQ(against.exit_code, 2);
  EXPECT_THAT(against.error, HasSubstr("there is no such arm; the arms are hopper, swimmer."));
}

TEST_F(CompareArmsTest, FoldersOfOneNameAreTwoArms) {
  write_runs("a", "x", {1, 2});
  write_runs("b", "x", {3, 4});
  const auto json = compare({"a/x", "b/x"});
  EXPECT_EQ(json["a"]["name"], "x");
  EXPECT_EQ(json["b"]["name"], "b/x");
}

TEST_F(CompareArmsTest, TheShortestRunIsNamedWhereItCutsTheOthers) {
  write_runs("a", "x", {1, 2});
  write_runs("b", "x", {3, 4});
  write_text(folder_.path() / "b/x/seed-1.csv", "env_steps,eval_return_mean\n0,1\n40,2\n");
  ASSERT_EQ(run({"compare", "a", "b"}).exit_code, 0);
  EXPECT_THAT(output(),
              HasSubstr("the longest run goes on to step 100; b/x/seed-1.csv ends first\n"));
  ASSERT_EQ(run({"compare", "a", "b", "--to", "40"}).exit_code, 0);
  EXPECT_THAT(output(), testing::Not(HasSubstr("ends first")));
}

TEST_F(CompareArmsTest, ProfilesAreDrawn) {
  write_runs("a", "hopper", {1, 2, 3});
  write_runs("b", "hopper", {2, 3, 4});
  ASSERT_EQ(run({"compare", "a", "b", "--profile", "p.svg"}).exit_code, 0);
  const std::string svg = file_text(folder_.path() / "p.svg");
  EXPECT_THAT(svg, HasSubstr(">performance profile, hopper</text>"));
  EXPECT_THAT(svg, HasSubstr(">share of runs above</text>"));
  EXPECT_THAT(svg, HasSubstr(">a (3 runs)</text>"));
  EXPECT_THAT(svg, HasSubstr("95 % bootstrap interval"));
  EXPECT_EQ(run({"compare", "a", "b", "--profile", "p.pdf"}).exit_code, 2);
}

}  // namespace
}  // namespace mbrl
