// Tests for host/tune/study/study_record.{h,cpp}: what can be told of a journal beside its study.
#include "host/tune/study/study_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/study_journal.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StudyRecordTest : public testing::Test {
 protected:
  StudyRecord read(const StudyJournal& journal) {
    return read_study(journal.write(folder_.path() / "s") / "journal.log");
  }
  std::string error(const StudyJournal& journal) {
    return error_text<DataError>([&] { read(journal); });
  }
  TemporaryDirectory folder_;
};

TEST_F(StudyRecordTest, ATrialIsWhatItsLinesSay) {
  StudyJournal journal("hyperband", 3);
  journal.begin(1e-3, 5, 1);
  journal.score(0, 100, -3.5);
  journal.begin(1e-4, 20, 0);
  journal.score(1, 100, -5.0);
  journal.end(1, 2, -5.0);
  journal.score(0, 900, -1.25);
  journal.end(0, 1, -1.25);
  journal.begin(1e-2, 3, 0);
  journal.add({{"op_code", 8}, {"trial_id", 2}, {"user_attr", {{"error", "a loss is nan"}}}});
  journal.end(2, 3);
  journal.begin(1e-2, 4, 0);
  const StudyRecord study = read(journal);
  EXPECT_EQ(study.method, "hyperband");
  EXPECT_EQ(study.seed, 3);
  EXPECT_EQ(study.env, "pendulum");
  EXPECT_EQ(study.num_env_steps, 900);
  ASSERT_EQ(study.axes.size(), 3u);
  EXPECT_EQ(study.axes[0].key, "sac.learning_rate");
  EXPECT_EQ(study.axes[0].step, 0.0);
  EXPECT_EQ(study.axes[1].step, 1.0);
  EXPECT_NEAR(study.axes[0].share(1e-3), 0.5, 1e-12);
  EXPECT_EQ(study.axes[2].text(1),
            "w\xc3\xbc"
            "de, \"b\"");
  EXPECT_EQ(study.axes[2].text(0), "64");
  ASSERT_EQ(study.trials.size(), 4u);
  EXPECT_THAT(study.ranking(), ElementsAre(0u));
  EXPECT_EQ(study.count(TrialState::kPruned), 1u);
  EXPECT_EQ(study.count(TrialState::kRunning), 1u);
  EXPECT_EQ(study.trials[2].error, "a loss is nan");
  // rungs from scratch: 100 + 100 + 900
  EXPECT_EQ(study.cost(), 1100.0);
  EXPECT_EQ(study.scored.back().num_ended, 2u);
  EXPECT_THAT(study.warnings, IsEmpty());
}

TEST_F(StudyRecordTest, ALastLineThatIsCutOffIsLeftOutAndOneBeforeIsRefused) {
  StudyJournal journal("random");
  journal.begin(1e-3, 5, 1);
  journal.complete(0, 2.0);
  journal.add_text("{\"op_code\": 6, \"trial");
  const StudyRecord study = read(journal);
  EXPECT_EQ(study.trials.size(), 1u);
  ASSERT_EQ(study.warnings.size(), 1u);
  EXPECT_THAT(study.warnings[0], HasSubstr("line 6, the last one, is damaged"));
  // nothing was repaired
  EXPECT_EQ(file_text(folder_.path() / "s" / "journal.log"), journal.text());
  journal.add_text("\n");
  journal.begin(1e-3, 5, 1);
  EXPECT_THAT(error(journal), HasSubstr("line 6, is damaged"));
}

// nothing of it counts
TEST_F(StudyRecordTest, ALastLineThatMeansNothingLeavesEverythingAsItWas) {
  const std::pair<const char*, const char*> lines[] = {
      {R"({"op_code": 6, "trial_id": 0, "state": 1, "values": ["x"]})", "a value is \"x\""},
      {R"({"op_code": 6, "trial_id": 0, "state": 9, "values": [1]})", "state is 9"},
      {R"({"trial_id": 0})", "key 'op_code' not found"},
      {R"({"op_code": 2, "user_attr": {"mbrl_gpu": {"config": {"name": "other", "seed": 0.5}}}})",
       "seed is 0.5"},
      {R"x({"op_code": 4, "params": {"a": 0.5, "b": 0.5}, "distributions": {"a": "{\"name\":
           \"FloatDistribution\", \"attributes\": {\"low\": 0, \"high\": 1}}"}})x",
       "key 'b' not found"}};
  for (const auto& [line, text] : lines) {
    StudyJournal journal("random");
    journal.begin(1e-3, 5, 1);
    std::string one = line;
    std::erase(one, '\n');
    journal.add_text(one + "\n");
    const StudyRecord study = read(journal);
    ASSERT_EQ(study.warnings.size(), 1u) << line;
    EXPECT_THAT(study.warnings[0],
                testing::AllOf(HasSubstr("line 4, the last one, is damaged and left out: "),
                               HasSubstr(text)));
    ASSERT_EQ(study.trials.size(), 1u);
    EXPECT_EQ(study.trials[0].state, TrialState::kRunning);
    EXPECT_FALSE(study.trials[0].score);
    EXPECT_EQ(study.axes.size(), 3u);
    EXPECT_EQ(study.name, "brief");
  }
}

TEST_F(StudyRecordTest, OthersNanIsNoValueAndForeignLinesAreRefused) {
  StudyJournal journal("random");
  journal.begin(1e-3, 5, 1);
  journal.add_text(
      "{\"op_code\": 7, \"trial_id\": 0, \"step\": 900, \"intermediate_value\": NaN, "
      "\"worker_id\": \"NaN\"}\n"
      "{\"op_code\": 6, \"trial_id\": 0, \"state\": 1, \"values\": [-Infinity], \"worker_id\": "
      "\"x\"}\n");
  const StudyRecord study = read(journal);
  EXPECT_FALSE(study.trials[0].score);
  EXPECT_THAT(study.scored, IsEmpty());
  EXPECT_THAT(study.ranking(), IsEmpty());
  journal.score(7, 900, 1.0);
  EXPECT_THAT(read(journal).warnings,
              ElementsAre(HasSubstr("line 6, the last one, is damaged and left out: trial_id is 7, "
                                    "and there are 1 trials.")));
  journal.score(7, 900, 1.0);
  EXPECT_THAT(error(journal), HasSubstr("line 6: trial_id is 7, and there are 1 trials."));
  StudyJournal minimized("random");
  minimized.add({{"op_code", 0}, {"study_name", "b"}, {"directions", {1}}});
  EXPECT_THAT(error(minimized), HasSubstr("line 3: this begins a second study"));
  write_text(folder_.path() / "low.log", R"({"op_code": 0, "study_name": "b", "directions": [1]})"
                                         "\n");
  EXPECT_THAT(error_text<DataError>([&] { read_study(folder_.path() / "low.log"); }),
              HasSubstr("low.log, line 1: this study minimizes its value"));
  StudyJournal empty("random");
  write_text(folder_.path() / "nothing.log", "");
  EXPECT_THAT(error_text<DataError>([&] { read_study(folder_.path() / "nothing.log"); }),
              HasSubstr("holds no study: it is empty"));
  write_text(folder_.path() / "other.log", "{\"a\": 1}\n");
  EXPECT_THAT(error_text<DataError>([&] { read_study(folder_.path() / "other.log"); }),
              HasSubstr("is no line of a journal of Optuna"));
}

// as optuna 5.0.0 writes study.add_trial(create_trial(...))
TEST_F(StudyRecordTest, ATrialThatIsAddedWholeIsReadWithAllThatItHas) {
  StudyJournal journal("random");
  journal.add_text(
      R"({"op_code":4,"study_id":0,"state":1,"value":100.5,"values":null,"intermediate_values":)"
      R"({"900":2.5,"300":1.5,"600":NaN},"user_attrs":{"error":5}})"
      "\n"
      R"({"op_code":4,"study_id":0,"state":1,"value":-3.0,"values":null,"distributions":{"a":)"
      R"("{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": 0.25, \"low\": 0.0, \"high\": )"
      R"(1.0, \"log\": false}}"},"params":{"a":0.75}})"
      "\n");
  // a note after the end
  journal.add({{"op_code", 8}, {"trial_id", 0}, {"user_attr", {{"error", "late"}}}});
  journal.score(0, 1200, 9.0);
  const StudyRecord study = read(journal);
  EXPECT_THAT(study.warnings, IsEmpty());
  ASSERT_EQ(study.trials.size(), 2u);
  EXPECT_EQ(study.trials[0].score, 100.5);
  EXPECT_EQ(study.trials[0].scores, (std::map<std::int64_t, double>{{300, 1.5}, {900, 2.5}}));
  EXPECT_EQ(study.trials[0].error, "");
  EXPECT_EQ(study.trials[1].scores, (std::map<std::int64_t, double>{{900, -3.0}}));
  EXPECT_THAT(study.ranking(), ElementsAre(0u, 1u));
  EXPECT_EQ(study.cost(), 1800.0);
  ASSERT_EQ(study.scored.size(), 3u);
  EXPECT_EQ(study.scored[0].num_ended, 0u);
  EXPECT_EQ(study.scored[1].num_ended, 1u);
  EXPECT_EQ(study.scored[2].num_ended, 2u);
  ASSERT_EQ(study.axes.size(), 1u);
  EXPECT_EQ(study.axes[0].step, 0.25);
}

TEST_F(StudyRecordTest, AMembersReturnsAndCopiesAreReadFromItsAttributes) {
  StudyJournal journal("pbt");
  const StudyJournal::Json returns = StudyJournal::Json::parse(
      R"([{"step": 300, "value": 1.0}, {"step": 600, "value": 4.0}, {"step": 900, "value": 3.0}])");
  journal.begin(1e-3, 5, 0, {{"returns", returns}});
  journal.begin(
      1e-2, 5, 1,
      {{"returns", returns},
       {"lineage",
        StudyJournal::Json::parse(
            R"([{"step": 300, "from": 0}, {"step": 600, "from": 0, "values_only": true}])")}});
  journal.begin(1e-2, 5, 1, {{"lineage", "none"}, {"returns", 3}});
  const StudyRecord study = read(journal);
  EXPECT_TRUE(study.is_population());
  ASSERT_EQ(study.scored.size(), 6u);
  EXPECT_EQ(study.scored[1].steps, 300);
  EXPECT_EQ(study.scored[2].cost, 300.0);
  EXPECT_EQ(study.cost(), 1800.0);
  ASSERT_EQ(copies_of(study.trials[1]).size(), 2u);
  EXPECT_EQ(copies_of(study.trials[1])[0].from, 0u);
  EXPECT_FALSE(copies_of(study.trials[1])[0].values_only);
  EXPECT_TRUE(copies_of(study.trials[1])[1].values_only);
  EXPECT_THAT(copies_of(study.trials[0]), IsEmpty());
  EXPECT_THAT(copies_of(study.trials[2]), IsEmpty());
}

TEST_F(StudyRecordTest, NumbersThatNoStudyHasAreRefusedWithTheirLine) {
  const auto refusal = [&](const std::string& config) {
    write_text(folder_.path() / "x.log",
               "{\"op_code\": 0, \"study_name\": \"x\", \"directions\": [2]}\n{\"op_code\": 2, "
               "\"user_attr\": {\"mbrl_gpu\": {\"config\": " +
                   config + "}}}\n{\"op_code\": 3}\n");
    return error_text<DataError>([&] { read_study(folder_.path() / "x.log"); });
  };
  EXPECT_THAT(refusal(R"({"seed": 1e300})"), HasSubstr("line 2: seed is 1e+300"));
  EXPECT_THAT(refusal(R"({"tune": {"seeds": 0}})"), HasSubstr("line 2: seeds is 0"));
  EXPECT_THAT(refusal(R"({"loop": {"num_env_steps": 4294967296}})"),
              HasSubstr("line 2: num_env_steps is 4294967296"));
}

TEST_F(StudyRecordTest, AFolderOfSeveralStudiesIsAllOfThem) {
  for (const char* name : {"b/random-0", "b/pbt-0", "caf\xc3\xa9, 1"})
    StudyJournal("random").write(folder_.path() / name);
  EXPECT_EQ(find_journals(folder_.path()).size(), 3u);
  EXPECT_EQ(find_journals(folder_.path() / "b" / "random-0").size(), 1u);
  EXPECT_EQ(find_journals(folder_.path() / "b" / "random-0" / "journal.log").size(), 1u);
  fs::create_directories(folder_.path() / "none");
  EXPECT_THAT(error_text<DataError>([&] { find_journals(folder_.path() / "none"); }),
              HasSubstr("holds no study"));
  EXPECT_THAT(error_text<DataError>([&] { find_journals(folder_.path() / "nowhere"); }),
              HasSubstr("is not there"));
}

}  // namespace
}  // namespace mbrl
