// Tests for mbrl_gpu sweep (host/cli/sweep.cpp, host/tune/ordinary_runs.cpp), from the real program.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <map>
#include <thread>

#include "tests/support/program.h"
#include "tests/support/run_outcome.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// smoke, in a moment
constexpr char kConfig[] = R"({
  "extends": "smoke", "name": "brief",
  "loop": {"num_env_steps": 300, "num_exploration_steps": 100, "min_replay_size": 100},
  "eval": {"interval": 100, "num_episodes": 1},
  "model": {"hidden_size": 8, "max_epochs": 2},
  "rollout": {"batch_size": 50},
  "sac": {"hidden_sizes": [8, 8], "updates_per_step": 1, "batch_size": 32},
  "checkpoint": {"keep": 1},
  "env": {"max_episode_steps": 50}
})";

class SweepTest : public ProgramTest {
 protected:
  SweepTest() { folder_.write("brief.json", kConfig); }

  // every run below a folder, by its path there
  std::map<std::string, nlohmann::json> outcomes(const std::string& runs) const {
    std::map<std::string, nlohmann::json> all;
    const fs::path root = folder_.path() / runs;
    for (const auto& entry : fs::recursive_directory_iterator(root))
      if (entry.path().filename() == "config.json") {
        const fs::path run = entry.path().parent_path();
        nlohmann::json& one = all[run.lexically_relative(root).string()] = run_outcome(run);
        one.erase("log");  // how often it began
        one["config"] = file_text(entry.path());
      }
    return all;
  }
};

TEST_F(SweepTest, EachRunIsTheOneThatRunMakesAndTheTableIsThatOfCompare) {
  const Outcome swept = run({"sweep", "brief.json", "seed=0..1", "sac.batch_size=32,64"});
  ASSERT_EQ(swept.exit_code, 0) << swept.error;
  const std::string told = output();
  EXPECT_THAT(told, HasSubstr("2 settings x 2 seeds = 4 runs"));
  EXPECT_THAT(told, HasSubstr("\nsac.batch_size  n"));
  for (const char* seed : {"seed=0", "seed=1"})
    for (const char* size : {"sac.batch_size=32", "sac.batch_size=64"})
      ASSERT_EQ(run({"run", "brief.json", size, seed, "--runs", "alone"}).exit_code, 0);
  EXPECT_TRUE(outcomes("runs") == outcomes("alone"));

  // the command that it names finds the same numbers
  const auto at = told.find("mbrl_gpu compare ");
  ASSERT_NE(at, std::string::npos);
  const std::string line = told.substr(at + 9, told.find('\n', at) - at - 9);
  ASSERT_EQ(shell("$M " + line + " --json >json"), 0);
  const auto compared = nlohmann::json::parse(file_text(folder_.path() / "json"));
  ASSERT_EQ(compared.at("arms").size(), 2u);
  for (const auto& arm : compared.at("arms")) {
    EXPECT_EQ(arm.at("n"), 2);
    EXPECT_THAT(told, HasSubstr(fmt::format("{:.2f}", arm.at("iqm").get<double>())));
  }

  // complete runs are left as they are
  const fs::path any = run_folder("runs");
  const auto before = fs::last_write_time(any / "summary.json");
  ASSERT_EQ(run({"sweep", "brief.json", "seed=0..1", "sac.batch_size=32,64"}).exit_code, 0);
  EXPECT_THAT(output(), HasSubstr("4 of them are complete"));
  EXPECT_EQ(fs::last_write_time(any / "summary.json"), before);
}

TEST_F(SweepTest, ARunThatFailsIsNamedAndEndsNoOther) {
  // its folder cannot be made
  ASSERT_EQ(run({"run", "brief.json", "seed=1", "--runs", "other"}).exit_code, 0);
  const fs::path hash = run_folder("other").parent_path();
  const fs::path cell = folder_.path() / "runs/brief" / hash.filename();
  fs::create_directories(cell);
  folder_.write("runs/brief/" + hash.filename().string() + "/seed-1", "in the way");

  const Outcome swept = run({"sweep", "brief.json", "seed=0..2", "--concurrent", "1"});
  EXPECT_EQ(swept.exit_code, 4);
  EXPECT_THAT(swept.error, HasSubstr("1 of 3 runs failed"));
  EXPECT_THAT(swept.error, HasSubstr("seed=1 failed: run directory "));
  EXPECT_THAT(output(), HasSubstr("2 of 3"));
  EXPECT_TRUE(fs::exists(cell / "seed-0/summary.json"));
  EXPECT_TRUE(fs::exists(cell / "seed-2/summary.json"));
}

TEST_F(SweepTest, StoppedItGoesOnByTheSameCommand) {
  const std::vector<std::string> command{
      "sweep", "brief.json", "seed=0..2", "loop.num_env_steps=1000", "--concurrent", "1", "--runs"};
  const auto with = [&](const char* runs) {
    auto words = command;
    words.emplace_back(runs);
    return words;
  };
  ASSERT_EQ(run(with("whole")).exit_code, 0);
  const pid_t child = start(with("parts"));
  // until something is trained
  for (int i = 0; i < 60000; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::error_code absent;
    if (fs::exists(folder_.path() / "parts", absent) && !run_folder("parts").empty() &&
        fs::exists(run_folder("parts") / "metrics.csv", absent))
      break;
  }
  kill(child, SIGINT);
  const Outcome stopped = finish(child);
  EXPECT_EQ(stopped.exit_code, 130) << stopped.error;
  EXPECT_THAT(output(), HasSubstr("the same command goes on"));
  ASSERT_EQ(run(with("parts")).exit_code, 0);
  EXPECT_TRUE(outcomes("parts") == outcomes("whole"));
}

TEST_F(SweepTest, WhatCannotBeIsRefusedBeforeAnythingStarts) {
  const auto refused = [&](std::vector<std::string> words, const std::string& text) {
    words.insert(words.begin(), "sweep");
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit_code, 2) << text;
    EXPECT_THAT(outcome.error, HasSubstr(text));
    EXPECT_FALSE(fs::exists(folder_.path() / "runs")) << text;
  };
  refused({"brief.json", "sac.learning_rat=1"}, "Did you mean sac.learning_rate?");
  refused({"brief.json", "sac.learning_rate=1e-4,high"}, "sac.learning_rate");
  refused({"brief.json", "seed=0..1,1"}, "seed has the value 1 twice");
  refused({"brief.json", "ppo.clip=0.1,0.2"}, "ppo.clip is not read");
  refused({"brief.json", "log.interval=10,20"}, "are one run");
  refused({"brief.json", "name=latest"}, "name is \"latest\"");
  refused({"brief.json", "loop.num_env_steps=50,300"}, "loop.num_env_steps=50");
  refused({"autombpo_smoke", "seed=0,1"}, "trains many learners");
  refused({"brief.json", "seed=0", "--concurrent", "0"}, "--concurrent");
}

}  // namespace
}  // namespace mbrl
