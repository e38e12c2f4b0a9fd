// Tests for mbrl_gpu tune (host/cli/tune.cpp, host/tune/study/study.cpp), from the real program: tiny
// studies through each method, killed and gone on with.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "tests/support/program.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Json = nlohmann::json;

// smoke, in a moment
constexpr char kConfig[] = R"({
  "extends": "smoke", "name": "brief",
  "loop": {"num_env_steps": 360, "num_exploration_steps": 100, "min_replay_size": 100},
  "eval": {"interval": 40, "num_episodes": 1},
  "env": {"max_episode_steps": 20},
  "model": {"hidden_size": 8, "max_epochs": 2},
  "rollout": {"batch_size": 50},
  "sac": {"hidden_sizes": [8, 8], "updates_per_step": 1, "batch_size": 32},
  "tune": {
    "space": {"sac.learning_rate": {"low": 1e-4, "high": 1e-2, "log": true},
              "sac.batch_size": {"choices": [16, 32]}},
    "trials": 4, "points": 2, "iterations": 3, "min_steps": 120
  }
})";

class TuneTest : public ProgramTest {
 protected:
  TuneTest() { folder_.write("brief.json", kConfig); }

  Outcome tune(std::vector<std::string> words) {
    words.insert(words.begin(), {"tune", "brief.json"});
    return run(words);
  }
  std::vector<Json> journal(const std::string& study) const {
    std::istringstream lines(file_text(folder_.path() / study / "journal.log"));
    std::vector<Json> all;
    for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line));
    return all;
  }
  // what a study says of each trial, whatever the order of its lines and their times
  std::vector<std::string> trials(const std::string& study) const {
    std::vector<std::map<std::string, Json>> all;
    for (const Json& line : journal(study)) {
      const int operation = line.at("op_code");
      if (operation == 4) all.push_back({{"params", line.at("params")}});
      if (operation == 6 && line.at("state") != 0)
        all.at(line.at("trial_id"))
            .insert({{"state", line.at("state")}, {"values", line.at("values")}});
      if (operation == 7)
        all.at(line.at("trial_id"))
            .emplace(fmt::format("step {}", line.at("step").get<int>()),
                     line.at("intermediate_value"));
    }
    std::vector<std::string> texts;
    for (const auto& trial : all) texts.push_back(Json(trial).dump());
    return texts;
  }
};

TEST_F(TuneTest, EachMethodEndsWithTheBestSettingAndTheCommandThatTestsIt) {
  const std::map<std::string, std::size_t> num_trials{
      {"random", 4}, {"grid", 4}, {"hyperband", 3 + 2 + 3}};
  for (const auto& [method, count] : num_trials) {
    const Outcome outcome = tune({"tune.method=" + method, "--study", method});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
    const std::string told = output();
    EXPECT_THAT(told, HasSubstr("best first")) << method;
    EXPECT_THAT(told, HasSubstr("mbrl_gpu sweep brief.json sac.learning_rate=")) << method;
    EXPECT_THAT(told, HasSubstr("seed=100..109")) << method;
    EXPECT_EQ(trials(method).size(), count) << method;
    // the winner is one of the complete trials with the highest value
    double best = -1e300;
    for (const Json& line : journal(method))
      if (line.at("op_code") == 6 && line.at("state") == 1)
        best = std::max(best, line.at("values").at(0).get<double>());
    EXPECT_THAT(told, HasSubstr(fmt::format("{:.2f}", best))) << method;
    // nothing is left to do
    const std::string before = file_text(folder_.path() / method / "journal.log");
    ASSERT_EQ(tune({"tune.method=" + method, "--study", method}).exit_code, 0);
    EXPECT_EQ(file_text(folder_.path() / method / "journal.log"), before) << method;
  }
  // 3 at 120 of which 1 at 360, then 2 at 360, then the first once more
  const std::vector<std::string> banded = trials("hyperband");
  int num_pruned = 0, num_complete = 0;
  for (const std::string& trial : banded) {
    num_pruned += trial.find("\"state\":2") != std::string::npos;
    num_complete += trial.find("\"state\":1") != std::string::npos;
  }
  EXPECT_EQ(num_pruned + num_complete, static_cast<int>(banded.size()));
  EXPECT_GT(num_pruned, 0);
}

TEST_F(TuneTest, ContinuedRungsEarnWhatOneRunEarns) {
  ASSERT_EQ(tune({"tune.method=hyperband", "tune.rungs=continued", "tune.eta=2",
                  "tune.min_steps=180", "--study", "s"})
                .exit_code,
            0)
      << file_text(folder_.path() / "err");
  EXPECT_THAT(fmt::format("{}", trials("s").front()), HasSubstr("step 180"));
}

TEST_F(TuneTest, KilledAtAnyMomentItGoesOnAsOneThatWasNot) {
  for (const char* method : {"random", "hyperband"}) {
    const std::vector<std::string> words{
        "tune", "brief.json", std::string("tune.method=") + method, "--concurrent", "2", "--study"};
    const auto with = [&](const std::string& study) {
      auto all = words;
      all.push_back(study);
      return all;
    };
    const std::string whole = std::string(method) + "-whole",
                      parts = std::string(method) + "-parts";
    ASSERT_EQ(run(with(whole)).exit_code, 0);
    // each start gets a little further, wherever that is
    for (int i = 0; i < 4; ++i) {
      const pid_t child = start(with(parts));
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + 60 * i));
      kill(child, SIGKILL);
      finish(child);
    }
    const Outcome outcome = run(with(parts));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
    EXPECT_EQ(trials(parts), trials(whole)) << method;
  }
}

TEST_F(TuneTest, OthersTrainWhatTheyAskFor) {
  ASSERT_EQ(tune({"--study", "s", "--ask"}).exit_code, 0) << file_text(folder_.path() / "err");
  const Json first = Json::parse(output());
  EXPECT_EQ(first.at("trial"), 0);
  EXPECT_TRUE(first.at("values").contains("sac.batch_size"));
  ASSERT_EQ(tune({"--study", "s", "--ask"}).exit_code, 0);
  EXPECT_EQ(Json::parse(output()).at("trial"), 1);
  EXPECT_EQ(tune({"--study", "s", "--tell", "0", "-12.5"}).exit_code, 0);
  EXPECT_EQ(tune({"--study", "s", "--tell", "1", "failed"}).exit_code, 0);
  const auto refused = [&](const std::string& trial, const std::string& value,
                           const std::string& text) {
    const Outcome outcome = tune({"--study", "s", "--tell", trial, value});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.error, HasSubstr(text));
  };
  refused("0", "3", "the trial is complete; what it earned stays");
  refused("2", "3", "the trial is waiting; --ask gives it out first");
  refused("9", "3", "there is no such trial; the study has 4");
  refused("x", "3", "expected a trial's number");
  refused("2", "x", "the value is no number");
  ASSERT_EQ(tune({"--study", "s"}).exit_code, 0);
  EXPECT_THAT(output(), testing::ContainsRegex("trial 0 +-12\\.50"));
  ASSERT_EQ(tune({"--study", "s", "--ask"}).exit_code, 0);
  EXPECT_EQ(Json::parse(output()).at("trial"), nullptr);
}

TEST_F(TuneTest, WhatCannotBeIsRefusedWithTheWayOut) {
  const auto refused = [&](int code, const std::vector<std::string>& words,
                           const std::string& text) {
    const Outcome outcome = tune(words);
    EXPECT_EQ(outcome.exit_code, code) << text;
    EXPECT_THAT(outcome.error, HasSubstr(text));
  };
  refused(2, {"tune.space={}"}, "tune.space is empty");
  refused(2, {"tune.space={\"ppo.clip\":{\"low\":0.1,\"high\":0.3}}"}, "which no trial reads");
  refused(2, {"tune.method=pbt"}, "tune.method");
  refused(2, {"tune.method=hyperband", "tune.min_steps=500"}, "tune.min_steps is 500");
  refused(2, {"tune.method=hyperband", "tune.min_steps=40"}, "a trial of 40 steps");
  refused(2, {"tune.method=hyperband", "tune.rungs=continued", "eval.interval=200"},
          "before the first evaluation");
  refused(2, {"tune.method=hyperband", "--ask"}, "hyperband needs the scores");
  // the trials' seeds and the tests' never meet
  refused(2, {"tune.seeds=11"}, "tune.seeds");

  ASSERT_EQ(tune({"--study", "s", "--ask"}).exit_code, 0);
  refused(4, {"--study", "s", "tune.method=grid"}, "tune.method differs (random -> grid)");
  refused(4, {"--study", "s", "sac.tau=0.1"}, "sac.tau differs");
  refused(4, {"--study", "s", "tune.space={\"sac.batch_size\":{\"low\":16,\"high\":64}}"},
          "tune.space.sac.batch_size differs (16|32 -> 16 to 64 int)");
  // a run makes no use of it, and says so
  const Outcome outcome = run({"run", "brief.json", "tune.trials=3"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("tune.trials is not read by a run"));
}

}  // namespace
}  // namespace mbrl
