// Tests for host/cli/{list,run_list}.cpp and for `eval` over seeds, by the real program.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/algo/keys_read.h"
#include "host/algo/resolve_config.h"
#include "host/config/print.h"
#include "tests/support/program.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ListTest : public ProgramTest {
 protected:
  // a run's folder as the program leaves it; `rows`: of metrics.csv, `status`: "" for no summary
  fs::path add(const std::string& folder, const Config& config, const std::string& status,
               const std::string& rows = "1000,5.25\n") {
    const fs::path path = folder_.path() / "runs" / folder;
    fs::create_directories(path);
    std::ofstream(path / "config.json") << config_json_text(config, keys_read(config));
    std::ofstream(path / "command.txt") << "mbrl_gpu run " << config.name << "\n";
    std::ofstream(path / "metrics.csv") << "env_steps,eval_return_mean\n" << rows;
    std::ofstream(path / "lock") << "1";
    if (!status.empty())
      std::ofstream(path / "summary.json") << nlohmann::json{{"status", status}}.dump();
    return path;
  }
  Config hopper(int seed, const std::vector<std::string>& changes = {}) {
    Config config = resolve_config("hopper", changes);
    config.seed = seed;
    return config;
  }
  std::string list(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), "list");
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    return output();
  }
  std::vector<nlohmann::json> objects(std::vector<std::string> arguments = {}) {
    arguments.emplace_back("--json");
    std::istringstream lines(list(arguments));
    std::vector<nlohmann::json> all;
    for (std::string line; std::getline(lines, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }
  std::vector<std::string> paths(std::vector<std::string> arguments = {}) {
    std::vector<std::string> all;
    for (const auto& run : objects(std::move(arguments))) all.push_back(run.at("run"));
    return all;
  }
};

TEST_F(ListTest, SaysWhatARunIsHowFarItIsAndWhatItDoes) {
  add("hopper/11111111/seed-2", hopper(2), "done", "1000,5.25\n125000,3412.06\n");
  add("hopper/11111111/seed-10", hopper(10), "", "1000,5.25\n35250,1670.24\n40000,na");
  const fs::path busy =
      add("hopper/22222222/seed-0", hopper(0, {"sac.learning_rate=1e-3"}), "", "");
  const int lock = open((busy / "lock").c_str(), O_RDWR);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  const std::string text = list();
  close(lock);
  EXPECT_THAT(text, HasSubstr("runs/hopper/11111111\n  hopper\n"));
  EXPECT_THAT(text, testing::ContainsRegex("\n +2 +125k/125k +3412.1 +done "));
  EXPECT_THAT(text, testing::ContainsRegex("3412.1.*\n +10 +35.2k/125k +1670.2 +killed "));
  EXPECT_THAT(text, HasSubstr("runs/hopper/22222222\n  hopper with sac.learning_rate=0.001\n"));
  EXPECT_THAT(text, testing::ContainsRegex("\n +0 +0/125k +- +running "));
  EXPECT_THAT(text, HasSubstr("\n3 runs: 1 done, 1 killed, 1 running\n"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST_F(ListTest, ARunIsOneWhateverLeadsToItAndWhateverItIsMadeOf) {
  add("walker2d/1/seed-0", hopper(0), "done");
  add("walker2d/1/seed-0.old-1", hopper(0), "done");
  Config many = resolve_config("autombpo_smoke", {});
  add("autombpo_smoke/2/seed-0", many, "", "");
  add("autombpo_smoke/2/seed-0/episodes/0000", hopper(0), "done");
  add("autombpo_smoke/2/seed-0/episodes/0001", hopper(0), "");
  fs::create_directory_symlink("walker2d/1/seed-0", folder_.path() / "runs" / "latest");
  EXPECT_THAT(paths(), ElementsAre("runs/autombpo_smoke/2/seed-0", "runs/walker2d/1/seed-0"));
  EXPECT_EQ(objects()[0].at("learners"), 1);
  EXPECT_THAT(list(), HasSubstr(" 1 run  "));
  // asked for, its parts are runs
  EXPECT_THAT(paths({"runs/autombpo_smoke/2/seed-0/episodes"}),
              ElementsAre("runs/autombpo_smoke/2/seed-0/episodes/0000",
                          "runs/autombpo_smoke/2/seed-0/episodes/0001"));
  EXPECT_THAT(paths({"latest", "walker2d"}), ElementsAre("runs/latest"));
}

TEST_F(ListTest, SortsByTimeReturnAndSteps) {
  add("a/1/seed-0", hopper(0), "done", "1000,7\n");
  add("a/1/seed-1", hopper(1), "done", "3000,5\n");
  add("a/1/seed-2", hopper(2), "diverged", "2000,9\n3000,nan\n");
  add("a/1/seed-3", hopper(3), "failed", "");
  const auto now = fs::file_time_type::clock::now();
  for (const auto& [seed, hours] : {std::pair(0, 3), {1, 1}, {2, 2}, {3, 4}})
    for (const auto& file :
         fs::directory_iterator(folder_.path() / "runs/a/1" / ("seed-" + std::to_string(seed))))
      fs::last_write_time(file, now - std::chrono::hours(hours));
  const auto seeds = [&](const std::string& by) {
    std::vector<int> all;
    for (const auto& run : objects({"--sort", by})) all.push_back(run.at("seed"));
    return all;
  };
  EXPECT_THAT(seeds("name"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(seeds("newest"), ElementsAre(1, 2, 0, 3));
  EXPECT_THAT(seeds("return"), ElementsAre(2, 0, 1, 3));
  EXPECT_THAT(seeds("steps"), ElementsAre(1, 2, 0, 3));
  EXPECT_TRUE(objects()[3].at("last_return").is_null());
  EXPECT_THAT(list(), HasSubstr("goes on\nby the command in its command.txt\n"));
}

TEST_F(ListTest, ADamagedOrForeignRunIsListedAsWhatItIs) {
  write_text(add("a/1/seed-0", hopper(0), "done") / "config.json", "{\"seed\": 3, \"later\": 1}");
  write_text(add("b/1/seed-0", hopper(0), "done") / "config.json", "{\"seed\": ");
  write_text(add("c/1/seed-0", hopper(0), "done") / "summary.json", "{");
  const std::string text = list();
  EXPECT_THAT(text, HasSubstr("runs/a/1/seed-0\n  the config of another version\n"));
  EXPECT_THAT(text, HasSubstr("runs/b/1/seed-0\n  config.json cannot be read\n"));
  EXPECT_THAT(text, testing::ContainsRegex("\n +0 +1000/125k +5.2 +unknown "));
}

TEST_F(ListTest, CsvQuotesWhatHoldsCommas) {
  const fs::path run =
      add("my, runs/\"q\"/seed-0", hopper(0, {"sac.hidden_sizes=[64,64]"}), "done");
  const std::string text = list({"--csv"});
  EXPECT_THAT(text, HasSubstr("\n\"runs/my, runs/\"\"q\"\"/seed-0\",hopper,hopper,"
                              "\"sac.hidden_sizes=[64,64]\",0,done,1000,125000,5.25,"));
}

TEST_F(ListTest, NoRunsAndNoFolder) {
  EXPECT_EQ(list(), "no runs in runs; `mbrl_gpu run smoke` makes one\n");
  EXPECT_EQ(list({"--json"}), "");
  fs::create_directory(folder_.path() / "empty");
  EXPECT_THAT(list({"empty"}), HasSubstr("no runs in empty"));
  const Outcome outcome = run({"list", "absent"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_EQ(outcome.error, "absent is not a folder; expected one that holds runs.\n");
}

TEST_F(ListTest, EvalOfSeveralSeedsEvaluatesEachAndPoolsThem) {
  const std::string config = folder_.write("tiny.json", R"({"name": "tiny", "algorithm": "sac",
    "env": {"name": "pendulum", "max_episode_steps": 20},
    "sac": {"hidden_sizes": [8], "batch_size": 16, "updates_per_step": 1},
    "loop": {"num_env_steps": 60, "epoch_length": 20, "num_exploration_steps": 40,
             "min_replay_size": 20, "replay_capacity": 200},
    "eval": {"interval": 20, "num_episodes": 1}})");
  for (const char* seed : {"seed=2", "seed=10"}) ASSERT_EQ(run({"run", config, seed}).exit_code, 0);
  // the newest is at hand, and what is given as its name is shown as its folder
  ASSERT_EQ(run({"eval", "latest", "--episodes", "2"}).exit_code, 0);
  EXPECT_THAT(output(), testing::ContainsRegex("checkpoint runs/tiny/[0-9a-f]+/seed-10/"));

  ASSERT_EQ(run({"eval", "tiny", "--episodes", "2"}).exit_code, 0);
  const std::string text = output();
  EXPECT_THAT(text, HasSubstr("2 episodes of pendulum for each run in runs/tiny\n"));
  EXPECT_THAT(text, testing::ContainsRegex("\n +2 +60 .*\n +10 +60 "));
  EXPECT_THAT(text, testing::ContainsRegex("\n2 runs: mean -[0-9.]+, sd [0-9.]+, IQM -[0-9.]+\n"));
  EXPECT_THAT(text, HasSubstr("\n4 episodes: mean "));

  // a damaged one is left out, aloud; what is of another config is no seed
  const fs::path runs = folder_.path() / "runs/tiny";
  for (const auto& entry : fs::recursive_directory_iterator(runs))
    if (entry.path().filename() == "weights.safetensors" &&
        entry.path().string().find("seed-2/") != std::string::npos)
      fs::resize_file(entry.path(), 10);
  const Outcome damaged = run({"eval", "tiny", "--episodes", "2"});
  EXPECT_EQ(damaged.exit_code, 0);
  EXPECT_THAT(damaged.error, HasSubstr("warning:"));
  ASSERT_EQ(run({"run", config, "sac.learning_rate=1e-3"}).exit_code, 0);
  const Outcome mixed = run({"eval", "tiny"});
  EXPECT_EQ(mixed.exit_code, 4);
  EXPECT_THAT(mixed.error, HasSubstr("they differ in sac.learning_rate (0.0003, 0.001)"));
  const Outcome errors = run({"eval", "tiny", "--value-error"});
  EXPECT_EQ(errors.exit_code, 4);
  EXPECT_THAT(errors.error, HasSubstr("name one of them: runs/tiny/"));
}

TEST_F(ListTest, ARunIsNotCalledLatest) {
  const Outcome outcome = run({"run", "smoke", "name=latest"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("name is \"latest\""));
}

}  // namespace
}  // namespace mbrl
