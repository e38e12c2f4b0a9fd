// Tests for host/tune/study/journal.{h,cpp}: what a study remembers, and what becomes of damage.
#include "host/tune/study/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    space_ = search_space_from_json(
        Json::parse(R"({"sac.learning_rate": {"low": 1e-5, "high": 1e-2, "log": true},
                        "model.max_epochs": {"low": 3, "high": 20},
                        "sac.hidden_sizes": {"choices": [[64, 64], [256]]}})"),
        "test");
  }
  Journal open() {
    warnings_.clear();
    return Journal(file(), "study", {{"what", 1}}, space_,
                   [this](const std::string& text) { warnings_.push_back(text); });
  }
  std::string file() const { return (folder_.path() / "journal.log").string(); }
  std::string error() {
    return error_text<DataError>([this] { open(); });
  }
  // three trials: complete, failed, one that runs
  void fill() {
    Journal journal = open();
    journal.add({{1e-3, 5, Json::parse("[64,64]")}, {1e-4, 6, Json::parse("[256]")}}, 0);
    journal.add({{1e-5, 7, Json::parse("[256]")}}, 2);
    for (std::size_t i = 0; i < 3; ++i) journal.begin(i);
    journal.score(0, 100, -3.5);
    journal.score(0, 300, -1.25);
    journal.end(0, TrialState::kComplete);
    journal.end(1, TrialState::kFailed, "a loss is nan");
  }
  static void expect_filled(const Journal& journal) {
    EXPECT_EQ(journal.definition(), Json({{"what", 1}}));
    const std::vector<Trial>& trials = journal.trials();
    ASSERT_EQ(trials.size(), 3u);
    EXPECT_EQ(trials[0].state, TrialState::kComplete);
    EXPECT_EQ(trials[0].score, -1.25);
    EXPECT_EQ(trials[0].scores.at(100), -3.5);
    EXPECT_EQ(trials[0].values.at("sac.learning_rate"), 1e-3);
    EXPECT_EQ(trials[0].values.at("model.max_epochs"), 5);
    EXPECT_EQ(trials[0].values.at("sac.hidden_sizes"), Json::parse("[64,64]"));
    EXPECT_EQ(trials[1].state, TrialState::kFailed);
    EXPECT_EQ(trials[1].error, "a loss is nan");
    EXPECT_EQ(trials[2].state, TrialState::kRunning);
    EXPECT_EQ(trials[2].plan, 2u);
  }

  TemporaryDirectory folder_;
  SearchSpace space_;
  std::vector<std::string> warnings_;
};

TEST_F(JournalTest, WhatWasWrittenIsReadBack) {
  fill();
  const Journal journal = open();
  EXPECT_THAT(warnings_, IsEmpty());
  expect_filled(journal);
}

TEST_F(JournalTest, LinesAreThoseOfOptuna) {
  fill();
  std::istringstream lines(file_text(file()));
  std::vector<Json> all;
  for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line));
  for (const Json& line : all) {
    EXPECT_TRUE(line.at("op_code").is_number_integer());
    EXPECT_TRUE(line.at("worker_id").is_string());
    if (line.at("op_code") == 6) {
      EXPECT_TRUE(line.contains("values")) << line;
    }
    for (const char* attribute : {"user_attr", "system_attr"})
      if (line.contains(attribute)) {
        EXPECT_EQ(line.at(attribute).size(), 1u) << line;
      }
  }
  EXPECT_EQ(all[0].at("op_code"), 0);
  EXPECT_EQ(all[0].at("directions"), Json::parse("[2]"));
  EXPECT_EQ(all[2].at("system_attr"), Json::parse(R"({"study:metric_names": ["return"]})"));
  const Json& trial = all[3];
  EXPECT_EQ(trial.at("op_code"), 4);
  // distributions are texts of JSON, a choice is its place
  const auto rate =
      Json::parse(trial.at("distributions").at("sac.learning_rate").get<std::string>());
  EXPECT_EQ(rate.at("name"), "FloatDistribution");
  EXPECT_EQ(rate.at("attributes").at("log"), true);
  const auto sizes =
      Json::parse(trial.at("distributions").at("sac.hidden_sizes").get<std::string>());
  EXPECT_EQ(sizes.at("attributes").at("choices"), Json::parse(R"(["[64,64]", "[256]"])"));
  EXPECT_EQ(trial.at("params").at("sac.hidden_sizes"), 0);
}

// Python writes NaN and Infinity, which are no JSON
TEST_F(JournalTest, OthersNanIsNoScore) {
  fill();
  write_text(file(), file_text(file()) +
                         R"({"op_code": 7, "worker_id": "NaN", "trial_id": 2, "step": 50,)"
                         R"( "intermediate_value": NaN}
{"op_code": 7, "worker_id": "w", "trial_id": 2, "step": 60, "intermediate_value": 4.0}
{"op_code": 8, "worker_id": "w", "trial_id": 2, "user_attr": {"error": "an \" -Infinity"}}
{"op_code": 6, "worker_id": "w", "trial_id": 2, "state": 1, "values": [-Infinity]}
)");
  const Journal journal = open();
  EXPECT_THAT(warnings_, IsEmpty());
  const Trial& trial = journal.trials()[2];
  EXPECT_EQ(trial.state, TrialState::kComplete);
  EXPECT_FALSE(trial.score);
  EXPECT_EQ(trial.scores, (std::map<std::int64_t, double>{{60, 4.0}}));
  EXPECT_EQ(trial.error, "an \" -Infinity");
}

TEST_F(JournalTest, CutOffAnywhereItHoldsTheWholeLinesBefore) {
  fill();
  const std::string whole = file_text(file());
  for (std::size_t size = 0; size <= whole.size(); size += 7) {
    write_text(file(), whole.substr(0, size));
    const std::string before = whole.substr(0, whole.rfind('\n', size == 0 ? 0 : size - 1) + 1);
    const bool torn = size > 0 && whole[size - 1] != '\n';
    open();
    EXPECT_EQ(warnings_.size(), torn ? 1u : 0u) << size;
    if (torn) {
      EXPECT_THAT(warnings_[0], HasSubstr("the last one, is damaged and dropped"));
    }
    // what is there stays, and what is missing of the study's own lines is written again
    const std::string after = file_text(file());
    EXPECT_TRUE(after.starts_with(before)) << size;
    open();
    EXPECT_THAT(warnings_, IsEmpty()) << size;
  }
}

TEST_F(JournalTest, ADamagedLastLineIsDroppedAndOneBeforeIsRefusedWithItsNumber) {
  fill();
  const std::string whole = file_text(file());
  write_text(file(), whole + "{\"op_code\": 6, \"tri\n");
  expect_filled(open());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("the last one, is damaged and dropped")));
  EXPECT_EQ(file_text(file()), whole);

  write_text(file(), whole + std::string(40, '\0'));
  expect_filled(open());

  std::string damaged = whole;
  damaged[damaged.find('\n') + 3] = '\x01';
  write_text(file(), damaged);
  EXPECT_THAT(error(), HasSubstr("journal.log, line 2, is damaged"));
  EXPECT_THAT(error(), HasSubstr("Put the file back from a copy, or begin another study"));
  EXPECT_EQ(file_text(file()), damaged) << "left as it is";
}

TEST_F(JournalTest, OthersLinesAreReadAsFarAsTheyCountAndWhatIsNoJournalIsRefused) {
  fill();
  const std::string whole = file_text(file());
  // a note of the dashboard; a state after the end
  write_text(file(),
             whole + R"({"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"note": "x"}}
{"op_code": 6, "worker_id": "w", "trial_id": 0, "state": 3, "values": null}
)");
  expect_filled(open());
  write_text(file(), whole + whole);
  EXPECT_THAT(error(), HasSubstr("this begins a second study"));
  const std::string of_nobody =
      R"({"op_code": 7, "worker_id": "w", "trial_id": 9, "step": 1, "intermediate_value": 2})"
      "\n";
  write_text(file(), whole + of_nobody + of_nobody);
  EXPECT_THAT(error(), HasSubstr("trial_id is 9, and there are 3 trials. Is it another program's? "
                                 "Put it right, or choose another folder with --study DIR."));
  // a whole number that no integer holds
  std::string huge = whole;
  huge.replace(huge.find("\"model.max_epochs\":5"), 20, "\"model.max_epochs\":1e300");
  write_text(file(), huge);
  EXPECT_THAT(error(), HasSubstr("line 4: a parameter is 1e+300; expected a finite number from"));
  write_text(file(), "{}\n");
  EXPECT_THAT(error(), HasSubstr("line 1, is no line of a journal of Optuna"));
  EXPECT_EQ(file_text(file()), "{}\n") << "a file that is no journal is left as it is";
}

// a few wrong bytes leave a whole object that means nothing
TEST_F(JournalTest, ALastLineThatMeansNothingIsDroppedAndOneThatIsRefusedIsNot) {
  fill();
  const std::string whole = file_text(file());
  const std::pair<const char*, const char*> dropped[] = {
      {R"({"trial_id": 0})", "key 'op_code' not found"},
      {R"({"op_code": 8, "trial_id": 99, "user_attr": {}})",
       "trial_id is 99, and there are 3 trials"},
      {R"({"op_code": 6, "trial_id": 2, "state": 7, "values": [1]})", "state is 7; expected"},
      {R"({"op_code": 6, "trial_id": 2, "state": 1, "values": ["x"]})", "a value is \"x\""},
      {R"({"op_code": 4, "params": 5})", "params is number; expected an object"},
      {R"({"op_code": 4, "intermediate_values": {"x": 1}})",
       "intermediate_values has x; expected a number of steps"},
      {R"({"op_code": 4, "intermediate_values": {"-1": 1}})", "intermediate_values has -1"},
      {R"({"op_code": 4, "params": {"a": 1}, "distributions": {"a": "{"}})",
       "distribution is not JSON"},
      {R"({"op_code": 7, "trial_id": 2, "step": 0.5, "intermediate_value": 2})", "step is 0.5"}};
  for (const auto& [line, text] : dropped) {
    write_text(file(), whole + line + "\n");
    expect_filled(open());
    EXPECT_THAT(warnings_, ElementsAre(testing::AllOf(
                               HasSubstr("line 15, the last one, is damaged and dropped: "),
                               HasSubstr(text), HasSubstr(". What it said is done again."))));
    EXPECT_EQ(file_text(file()), whole);
    write_text(file(), whole + line + "\n" + R"({"op_code": 9})" + "\n");
    EXPECT_THAT(error(), HasSubstr("line 15"));
  }
  for (const char* line : {R"({"op_code": 1, "study_id": 0})",
                           R"({"op_code": 0, "study_name": "b", "directions": [2]})"}) {
    write_text(file(), whole + line + "\n");
    EXPECT_THAT(error(), HasSubstr("line 15: this "));
    EXPECT_EQ(file_text(file()), whole + line + "\n");
  }
}

TEST_F(JournalTest, AStudyThatMinimizesIsRefused) {
  const auto refusal = [&](const std::string& directions) {
    write_text(file(), R"({"op_code": 0, "study_name": "b", "directions": )" + directions + "}\n");
    return error();
  };
  EXPECT_THAT(
      refusal("[1]"),
      HasSubstr("line 1: this study minimizes its value, and a search has one return, which "
                "it maximizes. Create it with optuna.create_study(direction=\"maximize\"). "
                "Is it another program's? Put it right, or choose another folder with "
                "--study DIR."));
  EXPECT_THAT(refusal("[2, 2]"), HasSubstr("this study has 2 values, and"));
}

TEST_F(JournalTest, TrialsWithoutWhatIsSearchedAreRefused) {
  fill();
  std::string text = file_text(file());
  const std::size_t second = text.find('\n') + 1;
  const std::string without = text.substr(0, second) + text.substr(text.find('\n', second) + 1);
  write_text(file(), without);
  EXPECT_THAT(error(), HasSubstr("has trials of a search, and the line that says what is searched "
                                 "is gone. Put the file back from a copy, or begin another study"));
  EXPECT_EQ(file_text(file()), without);
  write_text(file(), text.substr(second));
  EXPECT_THAT(error(), HasSubstr("line 1: the line that begins the study is not before this one"));
  // one that Optuna has begun, and filled, becomes a study
  std::string others = text.substr(0, second) +
                       R"({"op_code": 4, "study_id": 0, "user_attrs": {"plan": "none"}})" + "\n";
  write_text(file(), others);
  const Journal journal = open();
  ASSERT_EQ(journal.trials().size(), 1u);
  EXPECT_FALSE(journal.trials()[0].plan);
  EXPECT_EQ(journal.definition(), Json({{"what", 1}}));
}

// as optuna 5.0.0 writes study.add_trial(create_trial(...)) and what its users may set
TEST_F(JournalTest, ATrialThatIsAddedWholeIsReadWithAllThatItHas) {
  fill();
  const std::string kinds =
      R"x({"a": "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [NaN, \"[x\"]}}"})x";
  write_text(file(),
             file_text(file()) +
                 R"({"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null,"state":1,)"
                 R"("value":100.5,"values":null,"distributions":)" +
                 kinds +
                 R"(,"params":{"a":1},"user_attrs":{"schedule":"cosine","error":5},)"
                 R"("system_attrs":{},"intermediate_values":{"3":1.5,"20":NaN}}
{"op_code":4,"worker_id":"w","study_id":0,"state":2,"value":NaN,"values":null}
{"op_code":4,"worker_id":"w","study_id":0,"value":null,"values":[7.0]}
{"op_code":6,"worker_id":"w","trial_id":5,"state":1,"values":[]}
)");
  const Journal journal = open();
  EXPECT_THAT(warnings_, IsEmpty());
  ASSERT_EQ(journal.trials().size(), 6u);
  const Trial& trial = journal.trials()[3];
  EXPECT_EQ(trial.state, TrialState::kComplete);
  EXPECT_EQ(trial.score, 100.5);
  EXPECT_EQ(trial.scores, (std::map<std::int64_t, double>{{3, 1.5}}));
  EXPECT_EQ(trial.values.at("a"), "[x");
  EXPECT_EQ(trial.attributes.at("schedule"), "cosine");
  EXPECT_EQ(trial.error, "");
  EXPECT_FALSE(trial.plan);
  EXPECT_EQ(journal.trials()[4].state, TrialState::kPruned);
  EXPECT_FALSE(journal.trials()[4].score);
  EXPECT_EQ(journal.trials()[5].state, TrialState::kComplete);
  EXPECT_EQ(journal.trials()[5].score, 7.0);
}

}  // namespace
}  // namespace mbrl
