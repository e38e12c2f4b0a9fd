// Tests of AutoMBPO as a user runs it, on an environment and networks so small that a hyper-episode
// takes a blink: nothing depends on how many learners run at a time, nor on stops and kills.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "host/io/crc32c.h"
#include "host/io/curves.h"
#include "host/io/metric_list.h"
#include "tests/support/mpirun.h"
#include "tests/support/program.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// exploration takes 40 steps; checkpoints fall on steps at which decisions fall too
constexpr char kTiny[] = R"({
  "name": "tiny", "algorithm": "autombpo",
  "env": {"name": "pendulum", "max_episode_steps": 20},
  "model": {"ensemble_size": 2, "num_elites": 1, "hidden_size": 8, "num_hidden_layers": 1,
            "weight_decay": [0, 0], "max_epochs": 2},
  "rollout": {"batch_size": 20, "schedule": [0, 1, 1, 2]},
  "sac": {"hidden_sizes": [8], "batch_size": 16, "updates_per_step": 1},
  "loop": {"epoch_length": 40, "num_exploration_steps": 40, "min_replay_size": 20,
           "replay_capacity": 1000, "model_train_interval": 20},
  "eval": {"interval": 40, "num_episodes": 2},
  "checkpoint": {"interval": 30, "keep": 1},
  "controller": {"interval": 10, "init_updates_per_step": 1, "max_updates_per_step": 3,
                 "rollout_interval": 10, "rollout_batch_size": 20, "reward_scale": 10,
                 "return_scale": 100, "model_loss_scale": 1, "hidden_size": 8, "batch_size": 8,
                 "updates_per_episode": 2},
  "autombpo": {"num_episodes": 4, "episodes_per_stage": 2, "train_epochs": 3, "eval_epochs": 4,
               "num_seeds": 2}
})";

class AutoMbpoTest : public ProgramTest {
 protected:
  AutoMbpoTest() { folder_.write("tiny.json", kTiny); }

  std::vector<std::string> command(const std::string& runs,
                                   const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{"run", "tiny.json", "--threads", "2", "--runs", runs};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  // the only run of an experiment below a runs folder
  fs::path folder_of(const std::string& runs, const std::string& name = "tiny") const {
    for (const auto& hash : fs::directory_iterator(folder_.path() / runs / name))
      return hash.path() / "seed-0";
    return {};
  }
  // what a run found, by file: all that does not tell the time
  std::map<std::string, std::string> results(const std::string& runs) const {
    const fs::path root = folder_of(runs);
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string name = entry.path().filename();
      if (entry.path().extension() == ".safetensors" || name == "decisions.csv" ||
          name == "trajectory.json" || name == "baseline.csv" || name == "episodes.csv")
        found[fs::relative(entry.path(), root)] = without_config(file_text(entry.path()));
    }
    found["stages.csv"] = stages(runs);
    return found;
  }
  // a tensor file names the config it was made with, in which the run may differ from another
  static std::string without_config(const std::string& text) {
    static const std::regex kHash(R"("config_hash":"[0-9a-f]{8}")");
    return std::regex_replace(text, kHash, "");
  }
  // stages.csv without its last column, the wall time
  std::string stages(const std::string& runs) const {
    std::stringstream lines(file_text(folder_of(runs) / "stages.csv"));
    std::string kept;
    for (std::string line; std::getline(lines, line);)
      kept += line.substr(0, line.rfind(',')) + "\n";
    return kept;
  }
  // of all tensors of a safetensors file
  static std::uint32_t checksum_of_weights(const std::string& file) {
    std::size_t header = 0;
    for (int i = 7; i >= 0; --i) header = header << 8 | static_cast<unsigned char>(file.at(i));
    return crc32c(file.substr(8 + header));
  }
  static std::vector<std::string> names(const std::map<std::string, std::string>& files) {
    std::vector<std::string> all;
    for (const auto& [name, text] : files) all.push_back(name);
    return all;
  }
  static void expect_equal(const std::map<std::string, std::string>& got,
                           const std::map<std::string, std::string>& wanted) {
    ASSERT_EQ(names(got), names(wanted));
    for (const auto& [name, text] : wanted) EXPECT_TRUE(got.at(name) == text) << name << " differs";
  }
  // sends a signal once a table below the folder of some experiment's config has so many lines
  Outcome interrupt(const std::vector<std::string>& words, const fs::path& experiment,
                    const std::string& table, int num_lines, int signal) {
    const pid_t child = start(words);
    const auto lines = [&] {
      std::error_code absent;
      for (const auto& hash : fs::directory_iterator(folder_.path() / experiment, absent)) {
        const std::string text = file_text(hash.path() / table);
        return std::count(text.begin(), text.end(), '\n');
      }
      return std::ptrdiff_t{0};
    };
    // a program that has ended will write no more
    const auto has_ended = [&] {
      siginfo_t info{};
      return waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
             info.si_pid != 0;
    };
    for (int i = 0; i < 60000 && lines() < num_lines && !has_ended(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    kill(child, signal);
    return finish(child);
  }
};

TEST_F(AutoMbpoTest, TheNumberOfLearnersAtATimeChangesNothing) {
  const Outcome one = run(command("one", {"population.concurrent=1"}));
  ASSERT_EQ(one.exit_code, 0) << one.error;
  const Outcome two = run(command("two", {"population.concurrent=2"}));
  ASSERT_EQ(two.exit_code, 0) << two.error;
  const auto results_one = results("one");
  expect_equal(results("two"), results_one);
  EXPECT_THAT(names(results_one),
              testing::IsSupersetOf({"baseline.csv", "controller/0-000.safetensors",
                                     "controller/0-001.safetensors", "controller/0-002.safetensors",
                                     "controller/best.safetensors", "episodes/0003/decisions.csv",
                                     "episodes/0003/trajectory.json",
                                     "evaluation/seed-1001/decisions.csv"}));
  // the controller learned, and hyper-episodes are no copies of each other
  EXPECT_NE(results_one.at("controller/0-001.safetensors"),
            results_one.at("controller/0-000.safetensors"));
  EXPECT_NE(results_one.at("episodes/0000/trajectory.json"),
            results_one.at("episodes/0001/trajectory.json"));
  // to the bit, as golden_test.cpp has it of the algorithms that train one learner
  EXPECT_EQ(checksum_of_weights(results_one.at("controller/0-002.safetensors")), 2258820275u);
  const std::string table = results_one.at("stages.csv");
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3) << table;
  EXPECT_THAT(table, HasSubstr("\n0,0,2,0,"));
  EXPECT_THAT(table, HasSubstr("\n0,1,2,0,"));
  EXPECT_FALSE(fs::exists(folder_of("one") / "episodes/0000/checkpoints"))
      << "a complete episode needs none";

  // the best controller is the one that made the episodes of the stage with the highest mean return
  const auto stages = nlohmann::json::parse(file_text(folder_of("one") / "stages.json"));
  ASSERT_EQ(stages.size(), 2u);
  const double first = stages[0].at("mean_return"), second = stages[1].at("mean_return");
  ASSERT_NE(first, second);
  EXPECT_EQ(results_one.at("controller/best.safetensors"),
            results_one.at(first > second ? "controller/0-000.safetensors"
                                          : "controller/0-001.safetensors"));

  const auto text = file_text(folder_of("one") / "summary.json");
  const auto summary = nlohmann::json::parse(text);
  EXPECT_EQ(summary.at("status"), "done");
  EXPECT_LT(summary.at("from_env_steps"), summary.at("to_env_steps"));
  EXPECT_EQ(summary.at("autombpo").size(), 2u);
  EXPECT_EQ(summary.at("mbpo").size(), 2u);

  // the same command again finds everything done
  const Outcome again = run(command("one", {"population.concurrent=1"}));
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.error, HasSubstr("0 of them to do"));
  EXPECT_EQ(file_text(folder_of("one") / "summary.json"), text);
}

TEST_F(AutoMbpoTest, RanksOfMpirunComeToWhatOneProcessComesTo) {
  if (const std::string reason = no_ranks_reason(); !reason.empty()) GTEST_SKIP() << reason;
  for (const char* scheme : {"ppo", "ror"}) {
    const std::string more = std::string(" autombpo.scheme=") + scheme + " --runs " + scheme;
    ASSERT_EQ(shell("\"$M\" run tiny.json --threads 1" + more + "-1 >out 2>err"), 0)
        << file_text(folder_.path() / "err");
    ASSERT_EQ(shell(mpirun(2) + "\"$M\" run tiny.json" + more + "-2 >out 2>err"), 0)
        << file_text(folder_.path() / "err");
    expect_equal(results(std::string(scheme) + "-2"), results(std::string(scheme) + "-1"));
  }
}

TEST_F(AutoMbpoTest, ItsTablesSayWhatItsRunsDid) {
  // the second stage has one hyper-episode left
  ASSERT_EQ(run(command("runs", {"autombpo.num_episodes=3"})).exit_code, 0);
  const fs::path folder = folder_of("runs");
  const auto column = [](const fs::path& table, const std::string& name) {
    return read_curve(table, name).y;
  };
  const auto mean = [](const std::vector<double>& values) {
    double sum = 0.0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  };

  // every column is in docs/metrics.md
  std::set<std::string> tables;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".csv") continue;
    const std::string table = entry.path().filename();
    tables.insert(table);
    std::istringstream text(file_text(entry.path()));
    std::string header;
    std::getline(text, header);
    std::istringstream names(header);
    for (std::string name; std::getline(names, name, ',');)
      EXPECT_NE(find_column(table, name), nullptr) << table << " " << name;
  }
  EXPECT_THAT(tables, testing::ElementsAre("baseline.csv", "decisions.csv", "episodes.csv",
                                           "evaluations.csv", "metrics.csv", "stages.csv"));

  // the baseline: at each evaluation the mean over its seeds
  const std::vector<fs::path> baselines = find_tables(folder_.path() / "runs/tiny-baseline");
  ASSERT_EQ(baselines.size(), 2u);
  std::vector<double> baseline;
  std::stringstream lines(file_text(folder / "baseline.csv"));
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "evaluation,return_mean,num_seeds");
  while (std::getline(lines, line)) baseline.push_back(std::stod(line.substr(line.find(',') + 1)));
  ASSERT_EQ(baseline.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(baseline[i],
                mean({column(baselines[0], "eval_return_mean")[i],
                      column(baselines[1], "eval_return_mean")[i]}),
                1e-9);

  // a stage: means over its hyper-episodes
  const auto stages = nlohmann::json::parse(file_text(folder / "stages.json"));
  ASSERT_EQ(stages.size(), 2u);
  const std::vector<std::vector<const char*>> episodes{{"0000", "0001"}, {"0002"}};
  for (std::size_t stage = 0; stage < 2; ++stage) {
    std::vector<double> returns, of_baseline, last_return, fits;
    std::map<std::string, std::vector<double>> last;
    double seconds = 0.0;
    for (const char* number : episodes[stage]) {
      const fs::path episode = folder / "episodes" / number;
      const std::vector<double> curve = column(episode / "metrics.csv", "eval_return_mean");
      ASSERT_EQ(curve.size(), 3u);
      returns.insert(returns.end(), curve.begin(), curve.end());
      of_baseline.insert(of_baseline.end(), baseline.begin(), baseline.begin() + 3);
      last_return.push_back(curve.back());
      for (const char* name : {"real_ratio", "updates_per_step", "rollout_length"})
        last[name].push_back(column(episode / "decisions.csv", name).back());
      for (const double fit : column(episode / "decisions.csv", "fit_model")) fits.push_back(fit);
      seconds += nlohmann::json::parse(file_text(episode / "summary.json"))
                     .at("wall_time_s")
                     .get<double>();
    }
    const auto value = [&](const std::string& name) {
      return stages[stage].at(name).get<double>();
    };
    EXPECT_EQ(value("stage"), stage);
    EXPECT_EQ(value("num_episodes"), episodes[stage].size());
    EXPECT_NEAR(value("mean_return"), mean(returns), 1e-9);
    EXPECT_NEAR(value("baseline_return"), mean(of_baseline), 1e-9);
    EXPECT_NEAR(value("final_return"), mean(last_return), 1e-9);
    EXPECT_NEAR(value("share_of_fits"), mean(fits), 1e-9);
    for (const auto& [name, values] : last) EXPECT_NEAR(value(name), mean(values), 1e-9) << name;
    EXPECT_NEAR(value("learner_seconds"), seconds, 1e-9);
  }

  // the comparison: a number for each run, over the steps that all have
  const auto summary = nlohmann::json::parse(file_text(folder / "summary.json"));
  const StepRange range{summary.at("from_env_steps"), summary.at("to_env_steps")};
  std::vector<Curve> curves;
  const auto arm = [&](const std::vector<fs::path>& of_arm) {
    std::vector<double> means;
    for (const fs::path& table : of_arm) {
      curves.push_back(read_curve(table, "eval_return_mean"));
      means.push_back(mean_over(curves.back(), range));
    }
    return means;
  };
  const std::vector<double> autombpo = arm({folder / "evaluation/seed-1000/metrics.csv",
                                            folder / "evaluation/seed-1001/metrics.csv"}),
                            mbpo = arm(baselines);
  EXPECT_EQ(common_range(curves).low, range.low);
  EXPECT_EQ(common_range(curves).high, range.high);
  ASSERT_NE(mean(autombpo), mean(mbpo));
  EXPECT_EQ(summary.at("autombpo").get<std::vector<double>>(), autombpo);
  EXPECT_EQ(summary.at("mbpo").get<std::vector<double>>(), mbpo);
  EXPECT_NEAR(summary.at("autombpo_mean"), mean(autombpo), 1e-9);
  EXPECT_NEAR(summary.at("mbpo_mean"), mean(mbpo), 1e-9);
  const auto& welch = summary.at("welch");
  EXPECT_NEAR(welch.at("difference"), mean(autombpo) - mean(mbpo), 1e-9);
  EXPECT_LT(welch.at("low"), welch.at("difference"));
  EXPECT_GT(welch.at("high"), welch.at("difference"));
}

TEST_F(AutoMbpoTest, EachStageExploresAsItsOwnEpsilonSays) {
  const auto trajectories = [&](const std::string& runs, const std::string& epsilon) {
    EXPECT_EQ(run(command(runs, {"autombpo.num_seeds=1", "autombpo.episodes_per_stage=1",
                                 "autombpo.num_episodes=2", "controller.epsilon=" + epsilon}))
                  .exit_code,
              0);
    return std::pair(file_text(folder_of(runs) / "episodes/0000/trajectory.json"),
                     file_text(folder_of(runs) / "episodes/0001/trajectory.json"));
  };
  const auto never = trajectories("never", "[0]"), later = trajectories("later", "[0,1]"),
             first = trajectories("first", "[1,0]");
  EXPECT_FALSE(never.first.empty());
  EXPECT_EQ(later.first, never.first);
  EXPECT_NE(later.second, never.second);
  EXPECT_NE(first.first, never.first);
}

TEST_F(AutoMbpoTest, StoppedOrKilledAndStartedAgainEndsInTheSameController) {
  ASSERT_EQ(run(command("whole")).exit_code, 0);
  const auto wanted = results("whole");
  // one at a time, so that it is known which one is interrupted
  const Outcome stopped = interrupt(command("stopped", {"population.concurrent=1"}), "stopped/tiny",
                                    "seed-0/episodes/0001/decisions.csv", 6, SIGTERM);
  EXPECT_EQ(stopped.exit_code, 130) << stopped.error;
  EXPECT_THAT(stopped.error, HasSubstr("the same command goes on from here"));
  EXPECT_FALSE(fs::exists(folder_of("stopped") / "summary.json"));
  const Outcome resumed = run(command("stopped"));
  EXPECT_EQ(resumed.exit_code, 0) << resumed.error;
  expect_equal(results("stopped"), wanted);

  // killed again and again: in the baseline, a first and a second stage, the evaluation
  struct Place {
    const char *experiment, *table;
    int num_lines;
  };
  for (const auto& [experiment, table, num_lines] :
       {Place{"killed/tiny-baseline", "seed-1/episodes.csv", 5},
        Place{"killed/tiny", "seed-0/episodes/0000/decisions.csv", 9},
        Place{"killed/tiny", "seed-0/episodes/0003/decisions.csv", 5},
        Place{"killed/tiny", "seed-0/evaluation/seed-1000/decisions.csv", 12}}) {
    const Outcome killed = interrupt(command("killed", {"population.concurrent=1"}), experiment,
                                     table, num_lines, SIGKILL);
    EXPECT_EQ(killed.exit_code, -1) << table << " came too late: " << killed.error;
  }
  const Outcome after = run(command("killed"));
  EXPECT_EQ(after.exit_code, 0) << after.error;
  expect_equal(results("killed"), wanted);
}

TEST_F(AutoMbpoTest, AKillAtTheEndOfAHyperEpisodeLeavesOneThatGoesOn) {
  ASSERT_EQ(run(command("runs")).exit_code, 0);
  const auto wanted = results("runs");
  const fs::path folder = folder_of("runs"), episode = folder / "episodes/0003";
  const auto undo_stage = [&] {
    for (const char* name : {"controller/0-002.safetensors", "controller/best.safetensors",
                             "stages.csv", "stages.json", "summary.json"})
      fs::remove(folder / name);
    fs::remove_all(folder / "evaluation");
  };
  // between its trajectory and its marker: run again
  undo_stage();
  fs::remove(episode / "summary.json");
  const Outcome again = run(command("runs"));
  EXPECT_EQ(again.exit_code, 0) << again.error;
  expect_equal(results("runs"), wanted);

  // between its marker and the end of its checkpoints: those go
  undo_stage();
  fs::create_directories(episode / "checkpoints/step-000000100");
  const Outcome tidied = run(command("runs"));
  EXPECT_EQ(tidied.exit_code, 0) << tidied.error;
  EXPECT_FALSE(fs::exists(episode / "checkpoints"));
  expect_equal(results("runs"), wanted);

  // a marker, and what controllers learn from is gone: run again
  undo_stage();
  fs::remove(episode / "trajectory.json");
  EXPECT_EQ(run(command("runs")).exit_code, 0);
  expect_equal(results("runs"), wanted);

  // damage is named, with the file
  for (const char* name :
       {"stages.json", "episodes/0003/trajectory.json", "episodes/0003/summary.json"}) {
    undo_stage();
    const std::string text = file_text(folder / name);
    write_text(folder / name, "{\"cut");
    const Outcome damaged = run(command("runs"));
    EXPECT_EQ(damaged.exit_code, 4) << name;
    EXPECT_THAT(damaged.error, HasSubstr(std::string(name) + " is not JSON"));
    write_text(folder / name, text.empty() ? "[]" : text);
  }
}

TEST_F(AutoMbpoTest, TwoControllersShareABaselineThatIsBeingMade) {
  ASSERT_EQ(run(command("alone", {"seed=1"})).exit_code, 0);
  const pid_t first = start(command("runs")), second = start(command("runs", {"seed=1"}));
  const Outcome one = finish(first), two = finish(second);
  EXPECT_EQ(one.exit_code, 0) << one.error;
  EXPECT_EQ(two.exit_code, 0) << two.error;
  const auto table = [&](const std::string& runs, const std::string& name) {
    for (const auto& hash : fs::directory_iterator(folder_.path() / runs / "tiny"))
      return file_text(hash.path() / "seed-1" / name);
    return std::string();
  };
  EXPECT_EQ(table("runs", "baseline.csv"), table("alone", "baseline.csv"));
  EXPECT_FALSE(table("runs", "baseline.csv").empty());
  EXPECT_TRUE(table("runs", "controller/best.safetensors") ==
              table("alone", "controller/best.safetensors"));
}

TEST_F(AutoMbpoTest, ASteeredRunThatIsInterruptedEqualsOneThatIsNot) {
  ASSERT_EQ(run(command("trained")).exit_code, 0);
  const std::string best = (folder_of("trained") / "controller/best.safetensors").string();
  const auto steered = [&](const std::string& runs) {
    return command(runs, {"algorithm=mbpo", "loop.num_env_steps=800", "controller.file=" + best});
  };
  ASSERT_EQ(run(steered("whole")).exit_code, 0);
  const std::string weights = "checkpoints/step-000000800/weights.safetensors";
  const auto check = [&](const std::string& runs) {
    EXPECT_EQ(tables(runs), tables("whole"));
    for (const std::string& name : {std::string("decisions.csv"), weights})
      EXPECT_TRUE(file_text(run_folder(runs) / name) == file_text(run_folder("whole") / name))
          << runs << " " << name;
  };
  const std::string table = file_text(run_folder("whole") / "decisions.csv");
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 1 + 76);
  EXPECT_THAT(file_text(run_folder("whole") / "config.json"), HasSubstr("\"interval\": 10,"));

  const Outcome stopped =
      interrupt(steered("stopped"), "stopped/tiny", "seed-0/decisions.csv", 12, SIGTERM);
  EXPECT_EQ(stopped.exit_code, 130) << stopped.error;
  EXPECT_EQ(run(steered("stopped")).exit_code, 0);
  check("stopped");
  for (const int num_lines : {10, 31})
    EXPECT_EQ(
        interrupt(steered("killed"), "killed/tiny", "seed-0/decisions.csv", num_lines, SIGKILL)
            .exit_code,
        -1);
  EXPECT_EQ(run(steered("killed")).exit_code, 0);
  check("killed");
}

TEST_F(AutoMbpoTest, AFailedHyperEpisodeIsLeftOut) {
  ASSERT_EQ(run(command("whole")).exit_code, 0);
  const fs::path relative = fs::relative(folder_of("whole"), folder_.path() / "whole");
  const auto fail = [&](const std::string& runs, const std::string& episode) {
    const fs::path folder = folder_.path() / runs / relative / "episodes" / episode;
    fs::create_directories(folder);
    write_text(folder / "failed.json", "{\"error\": \"bad luck\"}");
  };
  fail("one", "0001");
  ASSERT_EQ(run(command("one")).exit_code, 0);
  EXPECT_THAT(stages("one"), HasSubstr("\n0,0,1,1,"));
  EXPECT_THAT(stages("one"), HasSubstr("\n0,1,2,0,"));
  EXPECT_FALSE(fs::exists(folder_of("one") / "episodes/0001/trajectory.json"));
  EXPECT_EQ(file_text(folder_of("one") / "episodes/0000/trajectory.json"),
            file_text(folder_of("whole") / "episodes/0000/trajectory.json"));
  EXPECT_NE(file_text(folder_of("one") / "controller/0-001.safetensors"),
            file_text(folder_of("whole") / "controller/0-001.safetensors"));

  fail("both", "0000");
  fail("both", "0001");
  const Outcome outcome = run(command("both"));
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, HasSubstr("all 2 hyper-episodes of stage 0 failed; the log says why. "
                                       "Delete their folders in "));
}

TEST_F(AutoMbpoTest, ABaselineThatDivergesEndsTheRun) {
  const std::vector<std::string> words = command("runs", {"sac.learning_rate=1e18"});
  const Outcome outcome = run(words);
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, testing::ContainsRegex("default MBPO failed on seed [01]: "));
}

TEST_F(AutoMbpoTest, ABaselineMayBeGivenAndMustFit) {
  ASSERT_EQ(run(command("first")).exit_code, 0);
  const std::string baseline = (folder_.path() / "first/tiny-baseline").string();
  ASSERT_EQ(run(command("second", {"autombpo.baseline=" + baseline})).exit_code, 0);
  EXPECT_FALSE(fs::exists(folder_.path() / "second/tiny-baseline"));
  expect_equal(results("second"), results("first"));

  const Outcome other = run(command("third", {"autombpo.baseline=" + baseline, "sac.tau=0.01"}));
  EXPECT_EQ(other.exit_code, 4);
  EXPECT_THAT(other.error, testing::ContainsRegex(
                               "autombpo.baseline: .*/first/tiny-baseline/[0-9a-f]+/seed-[01] was "
                               "made by another config: sac.tau differs \\(0.005 -> 0.01\\)\\. Run "
                               "default MBPO with this config's values, or leave autombpo.baseline "
                               "empty to have it made\\."));

  const Outcome longer =
      run(command("fourth", {"autombpo.baseline=" + baseline, "autombpo.train_epochs=9"}));
  EXPECT_EQ(longer.exit_code, 4);
  EXPECT_THAT(longer.error, HasSubstr("its shortest run has 4 evaluations; hyper-episodes of 9 "
                                      "epochs need as many."));

  const Outcome absent = run(command("fifth", {"autombpo.baseline=nowhere"}));
  EXPECT_EQ(absent.exit_code, 4);
  EXPECT_THAT(absent.error, HasSubstr("autombpo.baseline: nowhere is not a folder"));

  // an evaluation that outlasts it is compared over what both have
  ASSERT_EQ(
      run(command("sixth", {"autombpo.baseline=" + baseline, "autombpo.eval_epochs=6"})).exit_code,
      0);
  const auto summary = nlohmann::json::parse(file_text(folder_of("sixth") / "summary.json"));
  const Curve curve = read_curve(find_tables(baseline).front(), "eval_return_mean");
  EXPECT_LE(summary.at("to_env_steps").get<double>(), curve.x.back());
}

TEST_F(AutoMbpoTest, AStagedStackTrainsOneGroupAfterTheOther) {
  const Outcome outcome = run(command("runs", {"controller.stack=staged", "autombpo.num_episodes=2",
                                               "controller.epsilon=[1,0.5]"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  for (const char* row : {"\n0,0,2,0,", "\n1,0,2,0,", "\n2,0,2,0,"})
    EXPECT_THAT(stages("runs"), HasSubstr(row));
  // numbers go on from group to group, and a group starts from the best before it
  EXPECT_TRUE(fs::exists(folder_of("runs") / "episodes/0005/trajectory.json"));
  EXPECT_THAT(file_text(folder_of("runs") / "episodes/0004/config.json"),
              HasSubstr("\"file\": \"2-000\""));
  EXPECT_EQ(file_text(folder_of("runs") / "controller/1-000.safetensors"),
            file_text(folder_of("runs") / "controller/0-000.safetensors"))
      << "of a single stage the best is the one that it began with";
}

TEST_F(AutoMbpoTest, TheOtherSchemeLearnsInsideTheEvaluationsRuns) {
  const Outcome outcome = run(command("runs", {"autombpo.scheme=ror"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_FALSE(fs::exists(folder_of("runs") / "stages.csv"));
  EXPECT_TRUE(fs::exists(folder_of("runs") / "evaluation/seed-1000/decisions.csv"));
  const auto summary = nlohmann::json::parse(file_text(folder_of("runs") / "summary.json"));
  EXPECT_EQ(summary.at("autombpo").size(), 2u);

  // its network is part of a run's checkpoint
  const Outcome killed =
      interrupt(command("killed", {"autombpo.scheme=ror", "population.concurrent=1"}),
                "killed/tiny", "seed-0/evaluation/seed-1000/decisions.csv", 12, SIGKILL);
  EXPECT_EQ(killed.exit_code, -1);
  ASSERT_EQ(run(command("killed", {"autombpo.scheme=ror"})).exit_code, 0);
  expect_equal(results("killed"), results("runs"));
}

TEST_F(AutoMbpoTest, AControllerGoesOnLearningOnAnotherEnvironment) {
  ASSERT_EQ(run(command("pendulum")).exit_code, 0);
  const fs::path best = folder_of("pendulum") / "controller/best.safetensors";
  const Outcome outcome =
      run(command("cartpole", {"env.name=cartpole", "controller.file=" + best.string()}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_EQ(file_text(folder_of("cartpole") / "controller/0-000.safetensors"), file_text(best));
  EXPECT_NE(file_text(folder_of("cartpole") / "controller/0-001.safetensors"), file_text(best));

  const Outcome other =
      run(command("other", {"env.name=cartpole", "controller.file=" + best.string(),
                            "controller.features=samples,values"}));
  EXPECT_EQ(other.exit_code, 4);
  EXPECT_THAT(other.error, HasSubstr("from 8 inputs; features samples model_loss"));
}

TEST_F(AutoMbpoTest, ResumeNeverStartsOver) {
  ASSERT_EQ(run(command("runs")).exit_code, 0);
  const auto wanted = results("runs");
  write_text(folder_of("runs") / "controller/0-001.safetensors", "no controller any more");
  const Outcome over = run(command("runs", {"--resume", "never"}));
  EXPECT_EQ(over.exit_code, 0) << over.error;
  expect_equal(results("runs"), wanted);
  EXPECT_EQ(file_text(folder_of("runs").string() + ".old-1/controller/0-001.safetensors"),
            "no controller any more");
  const Outcome wrong = run(command("runs", {"--resume", "somewhere"}));
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.error, HasSubstr("--resume somewhere: an autombpo run goes on from"));
}

}  // namespace
}  // namespace mbrl
