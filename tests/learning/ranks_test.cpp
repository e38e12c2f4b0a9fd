// Tests for host/tune/{ranks,rank_work}.cpp, from the real program under mpirun: ranks come to what one
// process comes to, and what one of them leaves goes on. Skipped where there is no MPI.
#include <gmock/gmock.h>
#include <signal.h>

#include <map>

#include "tests/support/mpirun.h"
#include "tests/support/program.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Json = nlohmann::json;

// smoke, in a moment
constexpr char kConfig[] = R"({
  "extends": "smoke", "name": "brief",
  "loop": {"num_env_steps": 240, "num_exploration_steps": 100, "min_replay_size": 100},
  "eval": {"interval": 40, "num_episodes": 1},
  "env": {"max_episode_steps": 20},
  "model": {"hidden_size": 8, "max_epochs": 2},
  "rollout": {"batch_size": 50},
  "sac": {"hidden_sizes": [8, 8], "updates_per_step": 1, "batch_size": 32},
  "tune": {
    "space": {"sac.learning_rate": {"low": 1e-4, "high": 1e-2, "log": true}},
    "trials": 4, "iterations": 2, "min_steps": 140
  },
  "pbt": {"first": 140, "interval": 40, "truncation": 0.5, "frequencies": [1, 2],
          "backtrack_interval": 2, "tolerance": 0.0}
})";

class RanksTest : public ProgramTest {
 protected:
  RanksTest() { folder_.write("brief.json", kConfig); }
  void SetUp() override {
    if (const std::string reason = no_ranks_reason(); !reason.empty()) GTEST_SKIP() << reason;
  }
  // the program under so many ranks; out and err are its streams
  int ranks(int num_ranks, const std::string& words) const {
    return shell(mpirun(num_ranks) + "\"$M\" " + words + " >out 2>err");
  }
  std::string error() const { return file_text(folder_.path() / "err"); }
  // what a study says of each trial, whatever the order of its lines and their times
  std::vector<std::string> trials(const std::string& study) const {
    std::istringstream lines(file_text(folder_.path() / study / "journal.log"));
    std::vector<std::map<std::string, Json>> all;
    for (std::string text; std::getline(lines, text);) {
      const Json line = Json::parse(text);
      const int operation = line.at("op_code");
      if (operation == 4) all.push_back({{"params", line.at("params")}});
      if (operation == 6 && line.at("state") != 0)
        all.at(line.at("trial_id"))
            .insert({{"state", line.at("state")}, {"values", line.at("values")}});
    }
    std::vector<std::string> texts;
    for (const auto& trial : all) texts.push_back(Json(trial).dump());
    return texts;
  }
  // all that a population has decided, and what its best member has learned
  struct Evolved {
    std::vector<std::string> exchanges;
    std::map<std::string, std::string> tables, schedules, weights;
    bool operator==(const Evolved&) const = default;
  };
  Evolved evolved(const std::string& study) const {
    Evolved all{.exchanges = {}, .tables = tables_below(study), .schedules = {}, .weights = {}};
    const fs::path root = folder_.path() / study;
    std::istringstream lines(file_text(root / "journal.log"));
    for (std::string text; std::getline(lines, text);)
      if (const Json line = Json::parse(text); line.at("op_code") == 3)
        all.exchanges.push_back(line.at("system_attr").dump());
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string name = entry.path().filename();
      const std::string place = fs::relative(entry.path(), root);
      if (name == "schedule.csv") all.schedules[place] = file_text(entry.path());
      if (name == "weights.safetensors") all.weights[place] = file_text(entry.path());
    }
    return all;
  }
  void expect_equal(const std::string& a, const std::string& b) const {
    const Evolved found = evolved(a), wanted = evolved(b);
    EXPECT_EQ(found.exchanges, wanted.exchanges) << a;
    EXPECT_EQ(found.tables, wanted.tables) << a;
    EXPECT_EQ(found.schedules, wanted.schedules) << a;
    EXPECT_TRUE(found.weights == wanted.weights) << a;
    EXPECT_FALSE(wanted.weights.empty());
    EXPECT_GT(wanted.exchanges.size(), 2u);
  }
  static std::string population(const std::string& method, const std::string& study) {
    return "tune ../brief.json tune.method=" + method + " tune.trials=8 --study " + study + " ";
  }
  // rank 0 in the folder x, rank 1 in another one, which a study's name does not lead out of: neither
  // sees the other's files
  std::string apart(const std::string& words) const {
    return "mkdir -p x y && " + mpirun(1) + "--wdir \"$PWD/x\" \"$M\" " + words +
           " : -n 1 --wdir \"$PWD/y\" sh -c 'echo $$ >rank1; exec \"$0\" \"$@\"' \"$M\" " + words;
  }
  // the tables of all runs below a folder, without wall times
  std::map<std::string, std::string> tables_below(const std::string& runs) const {
    std::map<std::string, std::string> all;
    const fs::path root = folder_.path() / runs;
    for (const auto& entry : fs::recursive_directory_iterator(root))
      if (entry.path().filename() == "config.json") {
        const fs::path run = fs::relative(entry.path().parent_path(), folder_.path());
        all[fs::relative(entry.path().parent_path(), root)] = tables(run.string());
      }
    return all;
  }
};

TEST_F(RanksTest, ASearchComesToWhatOneProcessComesTo) {
  for (const std::string method : {"random", "hyperband"}) {
    const std::string words = "tune brief.json tune.method=" + method + " --study " + method;
    ASSERT_EQ(shell("\"$M\" " + words + "-1 >out 2>err"), 0) << error();
    ASSERT_EQ(ranks(3, words + "-3"), 0) << error();
    EXPECT_EQ(trials(method + "-3"), trials(method + "-1")) << method;
    EXPECT_THAT(output(), HasSubstr("best first")) << "once";
    EXPECT_EQ(output().find("best first"), output().rfind("best first"));
  }
}

TEST_F(RanksTest, ASweepComesToWhatOneProcessComesTo) {
  const std::string words = "sweep brief.json seed=0..2 sac.tau=0.005,0.01 --runs ";
  ASSERT_EQ(shell("\"$M\" " + words + "one >out 2>err"), 0) << error();
  ASSERT_EQ(ranks(2, words + "two"), 0) << error();
  const auto wanted = tables_below("one");
  EXPECT_EQ(wanted.size(), 6u);
  EXPECT_EQ(tables_below("two"), wanted);
  EXPECT_THAT(output(), HasSubstr("2 ranks\n"));
}

TEST_F(RanksTest, WhatARankThatDiesLeavesGoesOnWithAnyNumberOfRanks) {
  const std::string words = "tune brief.json tune.trials=6 --study ";
  ASSERT_EQ(shell("\"$M\" " + words + "whole >out 2>err"), 0) << error();
  // rank 1 is killed once a trial runs
  const std::string lead = "\"$M\" " + words + "parts";
  const int code =
      shell(mpirun(1) + lead + " : -n 1 sh -c 'echo $$ >rank1; exec \"$0\" \"$@\"' " + lead +
            R"( >out 2>err & pid=$!
      while ! grep -q '"op_code":6' parts/journal.log 2>/dev/null; do sleep 0.01; done
      kill -9 $(cat rank1)
      wait $pid)");
  EXPECT_NE(code, 0);
  ASSERT_EQ(ranks(2, words + "parts"), 0) << error();
  EXPECT_EQ(trials("parts"), trials("whole"));
}

TEST_F(RanksTest, APopulationComesToWhatOneProcessComesTo) {
  for (const std::string method : {"pbt", "pbt_bt", "mf_pbt"}) {
    ASSERT_EQ(shell("mkdir -p x && cd x && \"$M\" " + population(method, method + "-1") +
                    ">../out 2>../err"),
              0)
        << error();
    ASSERT_EQ(shell("cd x && " + mpirun(2) + "\"$M\" " + population(method, method + "-2") +
                    ">../out 2>../err"),
              0)
        << error();
    expect_equal("x/" + method + "-2", "x/" + method + "-1");
    EXPECT_THAT(output(), HasSubstr("2 ranks\n"));
  }
}

// no file system that both see: states travel as messages
TEST_F(RanksTest, APopulationsRanksNeedNoCommonFolder) {
  for (const std::string copy : {"all", "weights"}) {
    const std::string words = population("pbt", copy + "-2") + "pbt.copy=" + copy;
    ASSERT_EQ(shell("mkdir -p x && cd x && \"$M\" " + population("pbt", copy + "-1") +
                    "pbt.copy=" + copy + " >../out 2>../err"),
              0)
        << error();
    ASSERT_EQ(shell(apart(words) + " >out 2>err"), 0) << error();
    expect_equal("x/" + copy + "-2", "x/" + copy + "-1");
    EXPECT_FALSE(fs::exists(folder_.path() / "y" / (copy + "-2"))) << "nothing is left there";
  }
}

TEST_F(RanksTest, RunsOfASweepNeedNoCommonFolderEither) {
  const std::string words = "sweep ../brief.json seed=0..3 --runs ";
  ASSERT_EQ(shell("mkdir -p x && cd x && \"$M\" " + words + "one >../out 2>../err"), 0) << error();
  ASSERT_EQ(shell(apart(words + "two") + " >out 2>err"), 0) << error();
  EXPECT_EQ(tables_below("x/two"), tables_below("x/one"));
  EXPECT_FALSE(fs::exists(folder_.path() / "y/two"));
  // complete, with their checkpoints
  ASSERT_EQ(shell("cd x && \"$M\" " + words + "two >../out 2>../err"), 0) << error();
  EXPECT_THAT(output(), HasSubstr("4 of them are complete"));
}

TEST_F(RanksTest, APopulationThatLosesARankGoesOnInOneProcess) {
  ASSERT_EQ(
      shell("mkdir -p x && cd x && \"$M\" " + population("pbt", "whole") + ">../out 2>../err"), 0)
      << error();
  for (const bool see_each_other : {true, false}) {
    const std::string study = see_each_other ? "together" : "apart",
                      words = population("pbt", study);
    const std::string start =
        see_each_other ? "cd x && " + mpirun(1) + "\"$M\" " + words +
                             " : -n 1 sh -c 'echo $$ >../y/rank1; exec \"$0\" \"$@\"' \"$M\" " +
                             words + " >../out 2>../err & "
                       : apart(words) + " >out 2>err & ";
    // killed once the first exchange is written down
    const int code = shell("mkdir -p y; " + start + R"sh(pid=$!
      while ! grep -q exchange: x/)sh" +
                           study + R"sh(/journal.log 2>/dev/null; do sleep 0.01; done
      kill -9 $(cat y/rank1)
      wait $pid)sh");
    EXPECT_NE(code, 0) << study;
    ASSERT_EQ(shell("cd x && \"$M\" " + words + ">../out 2>../err"), 0) << error();
    expect_equal("x/" + study, "x/whole");
  }
}

// who sends files to a rank whose disk is full does not wait for ever
TEST_F(RanksTest, ARankWithoutRoomForARunsFilesEndsTheJobWithTheReason) {
  const std::string small =
      "unshare -m sh -c 'mkdir -p tmp && mount -t tmpfs -o size=8k tmpfs tmp && "
      "export TMPDIR=\"$PWD/tmp\" && exec \"$0\" \"$@\"' ";
  if (shell(small + "true 2>err") != 0) GTEST_SKIP() << "no small disk can be made: " << error();
  const std::string words =
      "sweep ../brief.json seed=0..1 loop.num_env_steps=100000 checkpoint.interval=100 --runs s";
  // both runs have checkpoints that are to travel
  ASSERT_EQ(shell("mkdir -p x && cd x && { \"$M\" " + words + R"sh( >../out 2>../err & pid=$!
      while [ $(find s -name DONE 2>/dev/null | cut -d/ -f4 | sort -u | wc -l) -lt 2 ]; do
        sleep 0.01; done
      kill -TERM $pid; wait $pid; })sh"),
            130)
      << error();
  const int code =
      shell("mkdir -p y && timeout 60 env " + mpirun(1) + "--wdir \"$PWD/x\" \"$M\" " + words +
            " : -n 1 --wdir \"$PWD/y\" " + small + "\"$M\" " + words + " >out 2>err");
  EXPECT_NE(code, 0);
  EXPECT_NE(code, 124) << "it hangs\n" << error();
  EXPECT_THAT(error(), HasSubstr("No space left on device"));
}

TEST_F(RanksTest, AnAsynchronousPopulationUsesAllRanks) {
  ASSERT_EQ(shell("mkdir -p x && cd x && " + mpirun(2) + "\"$M\" " + population("pbt", "a") +
                  "pbt.mode=asynchronous >../out 2>../err"),
            0)
      << error();
  // the study's own line, and one for each of the four slices of eight members
  EXPECT_EQ(evolved("x/a").exchanges.size(), 1u + 32u);
  EXPECT_THAT(trials("x/a"), testing::Each(HasSubstr("\"state\":1")));
}

TEST_F(RanksTest, AStopReachesAllRanksAndTheStudyGoesOn) {
  const std::string words =
      "tune brief.json tune.trials=3 loop.num_env_steps=100000 checkpoint.interval=100 --study s ";
  const int code = shell(mpirun(2) + "\"$M\" " + words + R"sh( >out 2>err & pid=$!
      while [ -z "$(find s -name 'step-*' 2>/dev/null)" ]; do sleep 0.01; done
      kill -USR2 $pid
      wait $pid)sh");
  EXPECT_EQ(code, 130) << error();
  EXPECT_THAT(output(), HasSubstr("stopped; the same command goes on"));
  int num_checkpoints = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "s"))
    num_checkpoints += entry.path().filename().string().starts_with("step-");
  EXPECT_GE(num_checkpoints, 1);
}

TEST_F(RanksTest, WhatCannotBeIsRefusedOrSaidWithTheWayOut) {
  EXPECT_EQ(ranks(2, "run brief.json"), 2);
  EXPECT_THAT(error(), HasSubstr("mpirun started 2 ranks, and a run of mbpo trains one learner"));
  EXPECT_THAT(error(), HasSubstr("mbrl_gpu sweep CONFIG seed=0..1"));
  EXPECT_EQ(ranks(3, "sweep brief.json seed=0..1"), 0) << error();
  EXPECT_THAT(output(), HasSubstr("3 ranks, of which 1 has nothing to do"));
  // one rank is none
  EXPECT_EQ(ranks(1, "run brief.json --runs alone"), 0) << error();
}

}  // namespace
}  // namespace mbrl
