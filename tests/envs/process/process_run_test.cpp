// Tests of whole runs on env.name=process, as a user starts them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/shell_word.h"
#include "host/io/safetensors.h"
#include "tests/support/program.h"

namespace mbrl {
namespace {

using testing::HasSubstr;
using testing::Not;

class ProcessRunTest : public ProgramTest {
 protected:
  // a short SAC on a server, whose episodes have 50 steps
  std::vector<std::string> arguments(const std::string& mode, std::vector<std::string> more = {}) {
    std::vector<std::string> all{"run",
                                 "sac_hopper",
                                 "name=own",
                                 "env.name=process",
                                 "env.command=" + shell_word(MBRL_FAULTY_SERVER) + " " + mode,
                                 "env.max_episode_steps=50",
                                 "sac.hidden_sizes=[8]",
                                 "sac.batch_size=8",
                                 "loop.num_env_steps=300",
                                 "loop.num_exploration_steps=100",
                                 "loop.min_replay_size=50",
                                 "loop.epoch_length=100",
                                 "eval.num_episodes=2",
                                 "--device",
                                 "cpu",
                                 "--threads",
                                 "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // mbpo with a small model
  std::vector<std::string> imagining(const std::string& mode, const std::string& end) {
    return arguments(
        mode, {"algorithm=mbpo", "model.hidden_size=8", "model.num_hidden_layers=1",
               "model.weight_decay=[0]", "model.ensemble_size=2", "model.num_elites=1",
               "model.max_epochs=2", "rollout.batch_size=200", "rollout.schedule=[0, 1, 3, 3]",
               "rollout.interval=50", "sac.updates_per_step=1", "env.end=" + end});
  }
};

TEST_F(ProcessRunTest, TrainsAndSaysWhatItCannotDo) {
  const Outcome done = run(arguments("fine"));
  EXPECT_EQ(done.exit_code, 0) << done.error;
  EXPECT_THAT(done.error, HasSubstr("cannot save its state"));
  EXPECT_EQ(summary("runs")["unstable_steps"]["total"], 0);
  EXPECT_EQ(run(arguments("fine", {"--runs", "again"})).exit_code, 0);
  EXPECT_EQ(tables("runs"), tables("again"));
}

TEST_F(ProcessRunTest, ResumesAtAnEpisodesStart) {
  ASSERT_EQ(run(arguments("fine", {"loop.num_env_steps=170", "--runs", "first"})).exit_code, 0);
  const Outcome done = run(arguments("fine", {"--resume", run_folder("first").string()}));
  EXPECT_EQ(done.exit_code, 0) << done.error;
  EXPECT_THAT(file_text(run_folder("runs") / "log.txt"),
              HasSubstr("the environment's process cannot save its state: the episode that was "
                        "running is left out, and the run goes on at the start of another"));
  EXPECT_EQ(summary("runs")["env_steps"], 300);
}

TEST_F(ProcessRunTest, CountsFailuresByReason) {
  const Outcome done = run(arguments("dies 77 marker"));
  EXPECT_EQ(done.exit_code, 0) << done.error;
  const auto steps = summary("runs")["unstable_steps"];
  EXPECT_EQ(steps["total"], 1);
  EXPECT_EQ(steps["the environment's process ended"], 1);
  EXPECT_THAT(
      file_text(run_folder("runs") / "log.txt"),
      HasSubstr("the environment's process ended at env step 77: it ended with exit code 3. "
                "Its last words: the first line | out of luck. The transition was dropped, "
                "the episode ended, and the process is started again"));
}

// the process that dies as one episode starts takes the other along
TEST_F(ProcessRunTest, CountsEpisodesThatAResetHasLost) {
  const Outcome done =
      run({"run", "ppo_hopper", "name=own", "env.name=process",
           "env.command=" + shell_word(MBRL_FAULTY_SERVER) + " dies_in_reset 3 marker",
           "process.count=1", "ppo.num_envs=2", "ppo.steps_per_update=16", "ppo.batch_size=16",
           "ppo.hidden_sizes=[8]", "loop.num_env_steps=64", "env.max_episode_steps=20", "--device",
           "cpu", "--threads", "1"});
  EXPECT_EQ(done.exit_code, 0) << done.error;
  const auto steps = summary("runs")["unstable_steps"];
  EXPECT_EQ(steps["total"], 1);
  EXPECT_EQ(steps["the environment's process ended"], 1);
  EXPECT_THAT(
      file_text(run_folder("runs") / "log.txt"),
      HasSubstr("the environment's process ended at env step 20: it ended with exit code 7. "
                "The transition was dropped"));
}

TEST_F(ProcessRunTest, TheThirdFailureInARowEndsTheRun) {
  const Outcome done = run(arguments("refuses 20"));
  EXPECT_EQ(done.exit_code, 4);
  EXPECT_THAT(done.error, HasSubstr("its process failed 3 times in a row, with no whole episode in "
                                    "between. The last time the arm broke."));
}

TEST_F(ProcessRunTest, BenchMeasuresBatchesBesideAPingPong) {
  const Outcome done = run(
      {"bench", "process", shell_word(MBRL_FAULTY_SERVER) + " fine", "--json", "--seconds", "0.1"});
  EXPECT_EQ(done.exit_code, 0) << done.error;
  std::istringstream lines(output());
  std::string line;
  for (const int count : {1, 8, 64}) {
    ASSERT_TRUE(std::getline(lines, line)) << count;
    const auto row = nlohmann::json::parse(line);
    EXPECT_EQ(row["shape"], "batch " + std::to_string(count));
    const double time = row["time_s"], floor = row["floor_s"];
    EXPECT_GT(floor, 0.0);
    EXPECT_GT(time, 0.0);
    EXPECT_NEAR(row["rate"].get<double>() * time, count, 1e-6 * count);
    // medians of ratios and ratios of medians are near one another, whatever else runs
    EXPECT_GT(row["share_of_floor"].get<double>() * time, 0.1 * floor);
    EXPECT_LT(row["share_of_floor"].get<double>() * time, 10.0 * floor);
  }
  EXPECT_FALSE(std::getline(lines, line));
  EXPECT_EQ(run({"bench", "process", "no_such_program"}).exit_code, 2);
}

TEST_F(ProcessRunTest, BenchMeasuresMessagesThatNoPipeHolds) {
  EXPECT_EQ(shell("timeout 120 $M bench process '" + shell_word(MBRL_FAULTY_SERVER) +
                  " large' --json --seconds 0.1 > out"),
            0);
  EXPECT_THAT(output(), HasSubstr("\"batch 64\""));
}

TEST_F(ProcessRunTest, ACheckpointIsNotUsedWithAnotherEnvironment) {
  const auto train = [&](const std::string& mode) {
    std::filesystem::remove(folder_.path() / "marker");
    const Outcome done =
        run(arguments(mode + " 0 marker", {"loop.num_env_steps=110", "--runs", mode}));
    EXPECT_EQ(done.exit_code, 0) << done.error;
    write_text(folder_.path() / "marker", "from now on it greets otherwise");
    return run_folder(mode).string();
  };
  const auto refusal = [&](const std::vector<std::string>& words) {
    const Outcome done = run(words);
    EXPECT_EQ(done.exit_code, 4);
    return done.error;
  };
  const std::string bounds = train("other_bounds");
  EXPECT_THAT(
      refusal({"eval", bounds, "--device", "cpu"}),
      HasSubstr("other_bounds 0 marker now bounds its actions by [-7] and [1]; when the run was "
                "trained, by [-3] and [1]: the policy would act on another scale. Serve it "
                "as it was to use this run. `mbrl_gpu export` keeps the bounds of the "
                "training."));
  ASSERT_EQ(run({"export", bounds, "--safetensors", "p.safetensors"}).exit_code, 0);
  const SafetensorsFile policy(folder_.path() / "p.safetensors");
  float low = 0, high = 0;
  policy.read_into(tensor_ref("action.low", &low, {1}));
  policy.read_into(tensor_ref("action.high", &high, {1}));
  EXPECT_EQ(low, -3.0f);
  EXPECT_EQ(high, 1.0f);

  const std::string sizes = train("grows");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"eval", sizes, "--device", "cpu"},
        {"export", sizes, "--npz", "p"}})
    EXPECT_THAT(
        refusal(words),
        HasSubstr("grows 0 marker now has observations of 3 entries and actions of 1; when the run "
                  "was trained they had 2 and 1. Serve it as it was to use this run."));
}

TEST_F(ProcessRunTest, TraceSaysHowAProcessFailed) {
  const std::string command = "env.command='" + shell_word(MBRL_FAULTY_SERVER);
  EXPECT_EQ(
      shell("printf 'reset\n0\n0\n' | $M envs trace process " + command + " dies 2' >out 2>err"),
      0);
  EXPECT_THAT(
      file_text(folder_.path() / "err"),
      HasSubstr("standard input:3: step 2 of episode 0 means nothing: the environment's "
                "process ended: it ended with exit code 3. Its last words: the first line | "
                "out of luck.\n"));
  EXPECT_EQ(
      shell("printf 'reset\n0\n' | $M envs trace process " + command + " not_a_number' >out 2>err"),
      0);
  EXPECT_THAT(file_text(folder_.path() / "err"),
              HasSubstr("step 1 of episode 0 means nothing: a value is not finite.\n"));
  EXPECT_EQ(shell("printf 'start\n0\n' | $M envs trace process " + command + " fine' >out 2>err"),
            4);
  EXPECT_THAT(file_text(folder_.path() / "err"),
              HasSubstr("standard input:1: process has no state that could be given; begin its "
                        "episodes with `reset`."));
}

TEST_F(ProcessRunTest, ACommandThatDoesNotExist) {
  const Outcome done =
      run({"run", "sac_hopper", "env.name=process", "env.command=no_such_program"});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.error, HasSubstr("there is no program no_such_program in PATH."));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "runs"));
}

TEST_F(ProcessRunTest, ImaginedEpisodesEndWhereItIsSaid) {
  const auto ended = [&](const std::string& runs, std::vector<std::string> words) {
    words.insert(words.end(), {"--runs", runs});
    const Outcome done = run(words);
    EXPECT_EQ(done.exit_code, 0) << done.error;
    std::ifstream table(run_folder(runs) / "metrics.csv");
    std::string header, line, last;
    std::getline(table, header);
    while (std::getline(table, line)) last = line;
    std::stringstream names(header), values(last);
    for (std::string name, value;
         std::getline(names, name, ',') && std::getline(values, value, ',');)
      if (name == "rollout_terminated") return std::stod(value);
    return -1.0;
  };
  EXPECT_EQ(ended("never", imagining("fine", "never")), 0.0);
  // both say that the second entry, the number of steps, is above 5, as it nearly always is
  std::vector<std::string> bounds = imagining("fine", "bounds");
  bounds.emplace_back("process.end_bounds=[1, -1000, 5]");
  const double by_bounds = ended("bounds", bounds);
  EXPECT_GT(by_bounds, 0.5);
  EXPECT_EQ(ended("served", imagining("fine", "served")), by_bounds);
  EXPECT_EQ(tables("bounds"), tables("served"));
  // nothing has ever ended
  EXPECT_EQ(ended("learned_never", imagining("fine", "learned")), 0.0);
  // every sixth step ends an episode, and three are imagined of each branch
  std::vector<std::string> ends = imagining("ends_at_step 6", "learned");
  ends.insert(ends.end(), {"model.max_epochs=30", "model.hidden_size=32"});
  const double learned = ended("learned", ends);
  EXPECT_GT(learned, 0.3);
  EXPECT_LT(learned, 0.7);
}

TEST_F(ProcessRunTest, LearnedEndsGoOnFromACheckpoint) {
  std::vector<std::string> words = imagining("ends_at_step 6", "learned");
  words.insert(words.end(), {"loop.num_env_steps=170", "--runs", "first"});
  ASSERT_EQ(run(words).exit_code, 0);
  words = imagining("ends_at_step 6", "learned");
  words.insert(words.end(), {"--resume", run_folder("first").string()});
  const Outcome done = run(words);
  EXPECT_EQ(done.exit_code, 0) << done.error;
  // the fits go on, and with them the report of each
  EXPECT_THAT(file_text(run_folder("runs") / "log.txt"), HasSubstr(" of them found, "));
}

}  // namespace
}  // namespace mbrl
