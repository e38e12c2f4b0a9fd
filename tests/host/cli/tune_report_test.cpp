// Tests for host/cli/tune_report.{h,cpp} and host/io/svg_parallel.{h,cpp}.
#include "host/cli/tune_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "host/io/svg_parallel.h"
#include "tests/support/error_text.h"
#include "tests/support/html.h"
#include "tests/support/study_journal.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class TuneReportTest : public testing::Test {
 protected:
  TuneReport report(const std::vector<fs::path>& paths) {
    warnings_.clear();
    std::vector<std::string> arguments;
    for (const fs::path& path : paths) arguments.push_back(path.string());
    TuneReport report =
        tune_report(arguments, [this](const std::string& text) { warnings_.push_back(text); });
    EXPECT_THAT(html_problems(report.html), IsEmpty());
    return report;
  }
  std::string html(const StudyJournal& journal) {
    return report({journal.write(folder_.path() / "s")}).html;
  }
  static std::string table(const TuneReport& report, const std::string& name) {
    for (const auto& [file, text] : report.tables)
      if (file == name) return text;
    return "";
  }
  // a complete run of a best setting on a test seed
  void add_test(const fs::path& study, const std::string& what, int seed, double value) {
    const fs::path run =
        study / "test" / what / "brief" / "01234567" / ("seed-" + std::to_string(seed));
    fs::create_directories(run);
    write_text(run / "metrics.csv",
               "env_steps,eval_return_mean\n900," + std::to_string(value) + "\n");
    write_text(run / "summary.json", "{\"status\": \"done\"}");
  }
  // so many complete trials, the lower the learning rate the better
  static StudyJournal searched(const std::string& method, int seed, int count) {
    StudyJournal journal(method, seed);
    for (int i = 0; i < count; ++i)
      journal.complete(journal.begin(1e-4 * std::pow(100.0, (i + 0.5) / count), 3 + i % 18, i % 2),
                       -static_cast<double>(i));
    return journal;
  }

  TemporaryDirectory folder_;
  std::vector<std::string> warnings_;
};

TEST_F(TuneReportTest, MethodsStandBesideEachOtherAndAreJudgedOnTestSeeds) {
  const fs::path random = searched("random", 0, 50).write(folder_.path() / "brief" / "random-0");
  StudyJournal banded("hyperband");
  for (int i = 0; i < 9; ++i) {
    banded.begin(1e-3, 5, 0);
    banded.score(static_cast<std::size_t>(i), 100, i);
  }
  for (std::size_t i = 0; i < 5; ++i) banded.end(i, 2, static_cast<double>(i));
  for (std::size_t i = 5; i < 9; ++i) banded.complete(i, 20.0 - static_cast<double>(i));
  banded.write(folder_.path() / "brief" / "hyperband-0");
  for (int seed = 100; seed < 110; ++seed) {
    add_test(random, "trial-0000", seed, 10.0 + seed);
    add_test(random, "trial-0031", seed, -1.0);  // a former best
  }
  const TuneReport both = report({folder_.path()});
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_THAT(both.html, HasSubstr("Searches of brief on pendulum"));
  // of the best trial: the mean of 110 to 119
  EXPECT_THAT(both.html, HasSubstr("<td class=\"number\">114.5</td>"));
  EXPECT_THAT(both.html, HasSubstr("not tested yet"));
  EXPECT_THAT(both.html,
              HasSubstr("yes:</span> tuning seeds (0 to 0) and test seeds (from 100 on)"));
  EXPECT_THAT(both.html, HasSubstr("yes:</span> random search is beside"));
  EXPECT_THAT(both.html, HasSubstr("no:</span> budgets are equal"));
  EXPECT_THAT(both.html, HasSubstr("no:</span> several searches of each method"));
  // all that were trained to the end turn their order around
  EXPECT_THAT(both.html, HasSubstr("<td class=\"number\">-1.000</td>"));
  EXPECT_THAT(table(both, "fidelities.csv"),
              HasSubstr("hyperband-0,100,900,4,-1,0.08333333333333333,true"));
  EXPECT_THAT(table(both, "importance.csv"), HasSubstr("random-0,sac.learning_rate,"));
  EXPECT_THAT(both.html, HasSubstr("the best 5 of 50 trials"));
  EXPECT_THAT(table(both, "trials.csv"), HasSubstr("\"w\xc3\xbc"
                                                   "de, \"\"b\"\"\""));
  EXPECT_THAT(table(both, "tests.csv"), HasSubstr("random-0,random,0,trial-0000,100,110"));
  EXPECT_THAT(both.overview, HasSubstr("hyperband-0"));
}

TEST_F(TuneReportTest, SeveralSearchesOfAMethodHaveABandAndAnIntervalOverThem) {
  std::vector<fs::path> studies;
  for (int seed = 0; seed < 3; ++seed) {
    studies.push_back(searched("random", seed, 4 + seed)
                          .write(folder_.path() / ("random-" + std::to_string(seed))));
    for (int test = 100; test < 103; ++test) add_test(studies.back(), "trial-0000", test, seed);
  }
  const TuneReport all = report(studies);
  EXPECT_THAT(all.html, HasSubstr("band from the worst to the best"));
  EXPECT_THAT(all.html, HasSubstr("<td>searches</td>"));
  EXPECT_THAT(all.html, HasSubstr("yes:</span> several searches of each method (3 at the least)"));
  EXPECT_THAT(all.html, HasSubstr("no:</span> each best setting has 10 test seeds or more (3 at"));
}

TEST_F(TuneReportTest, LineagesOfPopulationsAreDrawnAndTheirValuesNotJudged) {
  StudyJournal journal("pbt");
  for (int i = 0; i < 4; ++i) {
    journal.begin(1e-3, 5, 0,
                  i == 2
                      ? StudyJournal::Json::parse(
                            R"({"lineage": [{"step": 300, "from": 1}, {"step": 600, "from": 0}]})")
                      : StudyJournal::Json::object());
    journal.score(static_cast<std::size_t>(i), 300, i);
    journal.complete(static_cast<std::size_t>(i), i == 2 ? 9.0 : i);
  }
  const TuneReport one = report({journal.write(folder_.path() / "s")});
  EXPECT_THAT(one.html, HasSubstr("ancestors of the best"));
  EXPECT_THAT(one.html, HasSubstr("a slanting one leads from a member to one that became a copy"));
  EXPECT_THAT(one.html, HasSubstr("Members change their values"));
  EXPECT_THAT(one.html, Not(HasSubstr("PED-ANOVA")));
  EXPECT_THAT(table(one, "lineage.csv"),
              HasSubstr("study,trial,step,copied_from,copied\ns,2,300,1,all\ns,2,600,0,all\n"));
  EXPECT_THAT(one.html, Not(HasSubstr("values from")));
}

TEST_F(TuneReportTest, ValuesThatWereTakenOverAloneAreDrawnApartAndMakeNoAncestors) {
  const auto with = [&](const std::string& method) {
    StudyJournal journal(method);
    for (int i = 0; i < 2; ++i) {
      journal.begin(1e-3, 5, 0,
                    i == 1 ? StudyJournal::Json::parse(
                                 R"({"lineage": [{"step": 300, "from": 0, "values_only": true}]})")
                           : StudyJournal::Json::object());
      journal.complete(static_cast<std::size_t>(i), i);
    }
    return report({journal.write(folder_.path() / "s")});
  };
  const TuneReport values = with("pbt");
  EXPECT_EQ(table(values, "lineage.csv"),
            "study,trial,step,copied_from,copied\ns,1,300,0,values\n");
  EXPECT_THAT(values.html, HasSubstr("a slanting one leads from a member to one that took its "
                                     "values over, and kept what it had learned."));
  EXPECT_THAT(values.html, HasSubstr("values from"));
  EXPECT_THAT(values.html, Not(HasSubstr("copied from")));
  // an attribute that another program has given the same name
  const TuneReport none = with("random");
  EXPECT_EQ(table(none, "lineage.csv"), "study,trial,step,copied_from,copied\n");
  EXPECT_THAT(none.html, Not(HasSubstr("values from")));
}

// a space of Optuna's own: floats in steps of 0.25
TEST_F(TuneReportTest, TheImportanceOfAKeyKnowsItsSteps) {
  const auto importance = [&](const std::string& step) {
    StudyJournal journal("random");
    for (int i = 0; i < 12; ++i)
      journal.add_text(
          R"({"op_code":4,"study_id":0,"state":1,"value":)" + std::to_string(i * 7 % 12) +
          R"(,"values":null,"distributions":{"a":"{\"name\": \"FloatDistribution\", )"
          R"(\"attributes\": {\"step\": )" +
          step + R"(, \"low\": 0.0, \"high\": 1.0, \"log\": false}}"},"params":{"a":)" +
          std::to_string(0.25 * (i % 5)) + "}}\n");
    const std::string text = table(report({journal.write(folder_.path() / "s")}), "importance.csv");
    const std::size_t row = text.find("s,a,") + 4;
    return std::stod(text.substr(row, text.find(',', row) - row));
  };
  EXPECT_NEAR(importance("0.25"), 0.038038666808167164, 1e-12);
  EXPECT_NEAR(importance("null"), 0.4767982347705168, 1e-12);
}

TEST_F(TuneReportTest, StudiesThatAreEmptyFailedOrHaveOneTrialAreShownAsTheyAre) {
  StudyJournal journal("random");
  EXPECT_THAT(html(journal), HasSubstr("No trial has a return yet"));
  journal.begin(1e-3, 5, 0);
  EXPECT_THAT(html(journal), HasSubstr("No trial is complete yet"));
  journal.add({{"op_code", 8}, {"trial_id", 0}, {"user_attr", {{"error", "a <loss> is nan"}}}});
  journal.end(0, 3);
  EXPECT_THAT(html(journal), HasSubstr("1 trial failed: a &lt;loss&gt; is nan"));
  journal.complete(journal.begin(1e-3, 5, 0), 2.0);
  EXPECT_THAT(html(journal), HasSubstr("<figure>"));
  EXPECT_THAT(html(journal), HasSubstr("No best setting has been trained on test seeds yet"));
}

TEST_F(TuneReportTest, DamageIsToldAndTheOthersAreShown) {
  const fs::path whole = searched("random", 0, 3).write(folder_.path() / "random-0");
  StudyJournal cut = searched("random", 1, 3);
  cut.add_text("{\"op_code\"");
  const fs::path broken = folder_.path() / "broken";
  fs::create_directories(broken);
  write_text(broken / "journal.log", "{\"op_code\": 0}\nnonsense\n{}\n");
  const TuneReport all = report({whole, cut.write(folder_.path() / "random-1"), broken});
  ASSERT_EQ(warnings_.size(), 2u);
  EXPECT_THAT(all.html, HasSubstr("the last one, is damaged"));
  EXPECT_THAT(all.html, HasSubstr("line 2, is damaged"));
  EXPECT_THAT(error_text<DataError>([&] { report({broken}); }), HasSubstr("line 2, is damaged"));
}

TEST(SvgParallelTest, AGapIsNoLineAndTheBestIsAboveAll) {
  const std::vector<ParallelAxis> axes{{"a <key>", "0", "1"}, {"b", "x", "y"}, {"c", "0", "1"}};
  const std::string svg =
      svg_parallel(axes, {{.places = {0.0, 1.0, 0.5}, .strength = 1.0, .is_best = true},
                          {.places = {0.5, NAN, 0.5}, .strength = 0.0}});
  EXPECT_THAT(svg, HasSubstr("a &lt;key&gt;"));
  EXPECT_THAT(svg, HasSubstr("M16.0,34.0L404.0,92.0L210.0,150.0"));
  EXPECT_THAT(svg, HasSubstr("M210.0,34.0M210.0,150.0"));
  EXPECT_LT(svg.find("#d3d7dc"), svg.find("#d55e00"));
  EXPECT_THAT(error_text<ShapeError>([&] { svg_parallel(axes, {{.places = {0.0}}}); }),
              HasSubstr("1 places for 3 axes"));
  EXPECT_THAT(error_text<DataError>([] { svg_parallel({}, {}); }), HasSubstr("no axis"));
}

}  // namespace
}  // namespace mbrl
