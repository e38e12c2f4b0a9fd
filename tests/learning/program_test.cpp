// Tests of the whole program as a user runs it: it learns, it is reproducible, it survives signals
// and bad luck, and it says so.
#include "tests/support/program.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "host/io/safetensors.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

int count(const std::string& text, const std::string& part) {
  int number = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++number;
  return number;
}

TEST_F(ProgramTest, SmokeTrainingLearnsTheSwingUp) {
  const Outcome outcome = run({"run", "smoke.json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const auto s = summary("runs");
  EXPECT_EQ(s.at("status"), "done");
  EXPECT_EQ(s.at("env_steps"), 4000);
  // a random policy gets about -1200; four seeds ended between -96 and -198
  EXPECT_GT(s.at("final_return"), -600.0);
  for (const char* file :
       {"config.json", "command.txt", "machine.json", "log.txt", "metrics.csv", "episodes.csv"})
    EXPECT_TRUE(fs::exists(run_folder("runs") / file)) << file;
  EXPECT_THAT(output(), HasSubstr("mbpo on pendulum, seed 0\n"));
  EXPECT_THAT(output(), HasSubstr("done     4000 env steps"));
  EXPECT_THAT(file_text(run_folder("runs") / "log.txt"), HasSubstr("model fit: "));
  EXPECT_THAT(outcome.error, testing::Not(HasSubstr("model fit: "))) << "log.txt has these";

  // the saved policy is the trained one
  EXPECT_EQ(run({"eval", run_folder("runs").string(), "--episodes", "5"}).exit_code, 0);
  const std::string text = output();
  const std::size_t at = text.find("mean return ");
  ASSERT_NE(at, std::string::npos) << text;
  EXPECT_GT(std::stod(text.substr(at + 12)), -600.0);

  // the same command again finds the run complete
  const Outcome again = run({"run", "smoke.json"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.error, HasSubstr("this run is complete: 4000 env steps"));
}

// without the instructions for it a CPU computes in bf16 only where it is asked by name
TEST_F(ProgramTest, InBf16ItLearnsTheSwingUpOnAnyNumberOfThreadsAndResumesInBf16Alone) {
  if (std::getenv("MBRL_ISA") != nullptr) GTEST_SKIP() << "MBRL_ISA asks for one";
  const std::string command =
      "MBRL_ISA=bf16_portable $M run smoke device.precision=bf16 >/dev/null 2>err";
  ASSERT_EQ(shell(command + " --runs 2 --threads 2"), 0) << file_text(folder_.path() / "err");
  EXPECT_GT(summary("2").at("final_return"), -600.0);
  const std::string shorter = command + " loop.num_env_steps=1100";
  ASSERT_EQ(shell(shorter + " --runs one --threads 1"), 0);
  ASSERT_EQ(shell(shorter + " --runs two --threads 2"), 0);
  EXPECT_EQ(tables("one"), tables("two"));

  const auto machine = nlohmann::json::parse(file_text(run_folder("two") / "machine.json"));
  EXPECT_EQ(machine.at("cpu_bf16_kernels"), "bf16_portable");
  const Outcome other = run({"run", "smoke", "loop.num_env_steps=1100", "--resume",
                             run_folder("two").string(), "--runs", "other"});
  EXPECT_EQ(other.exit_code, 4);
  EXPECT_THAT(other.error, HasSubstr("device.precision differs (bf16 -> fp32)"));
  ASSERT_EQ(shell("MBRL_ISA=bf16_portable $M doctor >out"), 0);
  EXPECT_THAT(output(), HasSubstr("\nbf16      without AVX512-BF16, as MBRL_ISA asks"));
  EXPECT_EQ(shell("MBRL_ISA=avx2 $M run smoke device.precision=bf16 2>err"), 3);
  ASSERT_EQ(
      shell("MBRL_ISA=bf16_portable $M bench smoke device.precision=bf16 --json --seconds 0.01 "
            ">out 2>err"),
      0);
  EXPECT_THAT(output(), HasSubstr("\"bf16 peak\""));
  EXPECT_THAT(output(), HasSubstr("\"bf16_portable\""));
}

TEST_F(ProgramTest, OneThreadAndTwoWriteTheSameTables) {
  for (const char* threads : {"1", "2"})
    ASSERT_EQ(
        run({"run", "smoke", "loop.num_env_steps=1100", "--threads", threads, "--runs", threads})
            .exit_code,
        0);
  EXPECT_EQ(tables("1"), tables("2"));
  EXPECT_THAT(tables("1"), HasSubstr("\n900,"));
}

TEST_F(ProgramTest, StoppedBySigtermAndResumedEqualsNeverStopped) {
  const std::vector<std::string> command{"run", "smoke", "loop.num_env_steps=1500", "--runs"};
  const auto with = [&](const char* runs) {
    auto words = command;
    words.emplace_back(runs);
    return words;
  };
  ASSERT_EQ(run(with("whole")).exit_code, 0);

  // stop once training is under way
  const pid_t child = start(with("parts"));
  for (int i = 0; i < 6000; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (file_text(folder_.path() / "err").find("env step 900") != std::string::npos) break;
  }
  kill(child, SIGTERM);
  const Outcome stopped = finish(child);
  EXPECT_EQ(stopped.exit_code, 130) << stopped.error;
  EXPECT_THAT(stopped.error, HasSubstr("the same command goes on from here"));
  EXPECT_EQ(summary("parts").at("status"), "stopped");

  const Outcome resumed = run(with("parts"));
  EXPECT_EQ(resumed.exit_code, 0) << resumed.error;
  EXPECT_THAT(resumed.error, HasSubstr("resumed from "));
  EXPECT_EQ(tables("whole"), tables("parts"));
  EXPECT_EQ(file_text(run_folder("whole") / "checkpoints/step-000001500/weights.safetensors"),
            file_text(run_folder("parts") / "checkpoints/step-000001500/weights.safetensors"));
}

// a run of a moment
constexpr char kShort[] =
    "$M run smoke loop.num_env_steps=600 loop.num_exploration_steps=200 loop.min_replay_size=200 "
    "eval.interval=300 eval.num_episodes=2 checkpoint.interval=300 ";

TEST_F(ProgramTest, ClosedAndBrokenStreamsEndNoTrainingAndReceiveNoFile) {
  ASSERT_EQ(shell(std::string(kShort) + "--runs whole >/dev/null 2>&1"), 0);
  const std::string wanted = tables("whole");
  int i = 0;
  for (const char* streams : {"2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"}) {
    const std::string runs = "closed" + std::to_string(i++);
    EXPECT_EQ(shell(std::string(kShort) + "--runs " + runs + " " + streams), 0) << streams;
    EXPECT_EQ(tables(runs), wanted) << streams;
    EXPECT_EQ(summary(runs).at("status"), "done");
  }
  // a reader that goes away at once
  EXPECT_EQ(shell("(" + std::string(kShort) +
                  "--runs pipe; echo $? >code) 2>&1 | true; exit $(cat code)"),
            0);
  EXPECT_EQ(tables("pipe"), wanted);
}

TEST_F(ProgramTest, StartingOverIsSafeAtAnyMoment) {
  const std::string plain = std::string(kShort) + ">out 2>err";
  ASSERT_EQ(shell(plain), 0);
  const fs::path folder = run_folder("runs"), old = folder.string() + ".old-1";
  const std::string wanted = tables("runs");

  // killed before its first checkpoint, with its tables begun
  EXPECT_EQ(shell(std::string(kShort) +
                  "--resume never >out 2>err & p=$!; while kill -0 $p 2>/dev/null && ! "
                  "(test -d runs/*/*/seed-0.old-1 && test -s runs/*/*/seed-0/episodes.csv); "
                  "do sleep 0.01; done; kill -9 $p; wait $p 2>/dev/null; true"),
            0);
  EXPECT_EQ(nlohmann::json::parse(file_text(old / "summary.json")).at("status"), "done");
  EXPECT_TRUE(fs::exists(old / "checkpoints/step-000000600/DONE"));
  EXPECT_FALSE(fs::exists(folder / "checkpoints/step-000000600"));
  EXPECT_FALSE(fs::exists(folder / "summary.json"));

  EXPECT_EQ(shell(plain), 0);
  EXPECT_THAT(file_text(folder_.path() / "err"), testing::Not(HasSubstr("this run is complete")));
  EXPECT_EQ(nlohmann::json::parse(file_text(folder / "summary.json")).at("status"), "done");
  fs::remove_all(old);
  EXPECT_EQ(tables("runs"), wanted);
}

TEST_F(ProgramTest, AClosedTerminalLeavesACheckpoint) {
  EXPECT_EQ(
      shell("$M run smoke eval.interval=300 eval.num_episodes=2 checkpoint.interval=0 "
            ">out 2>err & p=$!; while kill -0 $p 2>/dev/null && ! grep -q 'env step' "
            "runs/*/*/seed-0/log.txt 2>/dev/null; do sleep 0.01; done; kill -HUP $p; wait $p"),
      130);
  EXPECT_EQ(summary("runs").at("status"), "stopped");
  EXPECT_FALSE(fs::is_empty(run_folder("runs") / "checkpoints"));
}

TEST_F(ProgramTest, ADivergingRunNamesStepAndTensorAndKeepsItsState) {
  const Outcome outcome =
      run({"run", "smoke", "sac.learning_rate=1e18", "checkpoint.interval=400"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(
      outcome.error,
      testing::ContainsRegex("\nenv step [0-9]+: sac: .* is (-?inf|nan) at policy update [0-9]+"));
  EXPECT_THAT(
      outcome.error,
      testing::EndsWith("/checkpoints/step-000000400. A run with another value of a key "
                        "starts anew in a folder of its own: a checkpoint of this one would "
                        "be refused.\n"));
  EXPECT_EQ(count(outcome.error, "at policy update"), 1) << outcome.error;
  EXPECT_EQ(count(file_text(run_folder("runs") / "log.txt"), "at policy update"), 1);
  EXPECT_EQ(summary("runs").at("status"), "diverged");
  EXPECT_TRUE(fs::exists(run_folder("runs") / "failed"));
  EXPECT_TRUE(fs::exists(run_folder("runs") / "checkpoints/step-000000400/DONE"));
}

TEST_F(ProgramTest, AFitThatNoEpochImprovedIsExitCode4AndNamesTheMember) {
  const Outcome outcome = run({"run", "smoke", "model.learning_rate=30"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error,
              testing::ContainsRegex("\nenv step [0-9]+: model fit 1: none of [0-9]+ epochs gave "
                                     "member [0-2] a holdout error below 9.9e\\+09"));
  EXPECT_THAT(outcome.error, HasSubstr("Lower model.learning_rate"));
  EXPECT_THAT(outcome.error, HasSubstr("There is no checkpoint before it."));
  EXPECT_EQ(count(outcome.error, "model fit 1: none"), 1) << outcome.error;

  // further off the loss itself overflows
  const Outcome overflow = run({"run", "smoke", "model.learning_rate=1e30"});
  EXPECT_EQ(overflow.exit_code, 4);
  EXPECT_THAT(overflow.error,
              testing::ContainsRegex("\nenv step [0-9]+: ensemble: loss of member [0-2] is "
                                     "(inf|nan) at model step [0-9]+\\. Lower "
                                     "model.learning_rate"));
}

// more than any table, less than a tensor file
constexpr rlim_t kFullDisk = 50000;

TEST_F(ProgramTest, AFullDiskIsOneErrorAndASummary) {
  const Outcome outcome = run({"run", "smoke", "loop.num_env_steps=500"}, kFullDisk);
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_EQ(count(outcome.error, "cannot be written"), 1) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("existing checkpoints are kept.\n"));
  EXPECT_FALSE(fs::exists(run_folder("runs") / "failed"));
  EXPECT_EQ(summary("runs").at("status"), "failed");
}

TEST_F(ProgramTest, ADivergingRunOnAFullDiskTellsOfTheDivergence) {
  const Outcome outcome =
      run({"run", "smoke", "sac.learning_rate=1e18", "checkpoint.interval=0"}, kFullDisk);
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, HasSubstr("warning: the state at the failure is lost: "));
  EXPECT_THAT(outcome.error, testing::ContainsRegex("\nenv step [0-9]+: sac: "));
  EXPECT_THAT(outcome.error, testing::Not(HasSubstr("The state at the failure is in")));
  EXPECT_EQ(summary("runs").at("status"), "diverged");
}

TEST_F(ProgramTest, ARunFolderThatCannotBeWrittenIsExitCode4) {
  write_text(folder_.path() / "file", "");
  const Outcome outcome = run({"run", "smoke", "--runs", "file/runs"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, HasSubstr("--runs DIR"));
}

TEST_F(ProgramTest, ADamagedCheckpointIsPassedOverOrNamed) {
  ASSERT_EQ(run({"run", "smoke", "loop.num_env_steps=600", "checkpoint.interval=300"}).exit_code,
            0);
  const fs::path checkpoints = run_folder("runs") / "checkpoints";
  fs::resize_file(checkpoints / "step-000000600/weights.safetensors", 100);
  const Outcome named = run({"run", "smoke", "loop.num_env_steps=600", "--resume",
                             (checkpoints / "step-000000600").string()});
  EXPECT_EQ(named.exit_code, 4);
  EXPECT_THAT(named.error, HasSubstr("weights.safetensors has 100 bytes"));
  const Outcome passed = run({"run", "smoke", "loop.num_env_steps=600"});
  EXPECT_EQ(passed.exit_code, 0);
  EXPECT_THAT(passed.error, HasSubstr("step-000000300 at env step 300"));
}

TEST_F(ProgramTest, ARunWhoseCheckpointsAreAllDamagedIsNotStartedOver) {
  const std::vector<std::string> command{"run", "smoke", "loop.num_env_steps=600",
                                         "checkpoint.interval=300"};
  ASSERT_EQ(run(command).exit_code, 0);
  const fs::path folder = run_folder("runs");
  fs::remove(folder / "checkpoints/step-000000300/DONE");
  fs::remove(folder / "checkpoints/step-000000600/replay.safetensors");
  const std::string before = tables("runs"), log = file_text(folder / "log.txt");
  const Outcome refused = run(command);
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_THAT(refused.error, testing::ContainsRegex(
                                 "checkpoints holds 2 checkpoints, and none can be used: "
                                 ".*step-000000600 is passed over: .*replay.safetensors cannot be "
                                 "read: No such file or directory; .*step-000000300 is passed "
                                 "over: DONE is missing"));
  EXPECT_THAT(refused.error, HasSubstr("--resume never"));
  EXPECT_EQ(tables("runs"), before);
  EXPECT_EQ(file_text(folder / "log.txt"), log);

  auto anew = command;
  anew.insert(anew.end(), {"--resume", "never"});
  EXPECT_EQ(run(anew).exit_code, 0);
  fs::remove_all(folder.string() + ".old-1");
  EXPECT_EQ(tables("runs"), before) << "the same run again";
}

TEST_F(ProgramTest, ACheckpointOfAnotherConfigIsExitCode4AndListsTheKeys) {
  ASSERT_EQ(run({"run", "smoke", "loop.num_env_steps=500"}).exit_code, 0);
  const Outcome outcome = run({"run", "smoke", "loop.num_env_steps=500", "sac.tau=0.01", "--resume",
                               run_folder("runs").string()});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, HasSubstr("sac.tau differs (0.005 -> 0.01)"));
}

TEST_F(ProgramTest, AnEditedIncludeIsAnotherRunAndAResumeNamesIt) {
  const auto legs = [&](double mass) {
    folder_.write("legs.xml",
                  "<mujoco><worldbody><body name='cart'><joint name='x' type='slide' "
                  "axis='1 0 0'/><geom type='sphere' size='.1' mass='" +
                      std::to_string(mass) +
                      "'/></body></worldbody><actuator><motor joint='x' ctrllimited='true' "
                      "ctrlrange='-1 1'/></actuator></mujoco>");
  };
  folder_.write("robot.xml", "<mujoco><include file='legs.xml'/></mujoco>");
  legs(1.0);
  const std::vector<std::string> command{"run",
                                         "sac_hopper",
                                         "name=tiny",
                                         "env.name=mjcf",
                                         "mjcf.model=robot.xml",
                                         "env.max_episode_steps=20",
                                         "loop.num_env_steps=60",
                                         "loop.num_exploration_steps=20",
                                         "loop.min_replay_size=20",
                                         "sac.hidden_sizes=[8,8]",
                                         "sac.batch_size=16",
                                         "eval.num_episodes=1",
                                         "checkpoint.interval=20",
                                         "--threads",
                                         "1"};
  Outcome outcome = run(command);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const fs::path first = run_folder("runs");
  std::vector<std::string> resume = command;
  resume.insert(resume.end(), {"--resume", (first / "checkpoints/step-000000040").string()});

  legs(2.0);
  outcome = run(resume);
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, HasSubstr("legs.xml of mjcf.model differs ("));
  EXPECT_THAT(outcome.error, testing::Not(HasSubstr("robot.xml of")));
  EXPECT_THAT(run({"eval", first.string()}).error, HasSubstr("legs.xml of mjcf.model differs ("));
  ASSERT_EQ(run(command).exit_code, 0);
  int num_runs = 0;
  for (const auto& entry : fs::directory_iterator(first.parent_path().parent_path()))
    num_runs += entry.is_directory();
  EXPECT_EQ(num_runs, 2) << "the edited robot is another run";

  legs(1.0);
  EXPECT_EQ(run(resume).exit_code, 0) << "the robot is as it was";
}

TEST_F(ProgramTest, PlansInTrialsAndShowsWhatItsModelsKnow) {
  const Outcome trained =
      run({"run", "pets_smoke", "env.max_episode_steps=30", "loop.num_env_steps=100",
           "loop.epoch_length=30", "loop.num_exploration_steps=30", "planner.population=20",
           "planner.horizon=3", "checkpoint.interval=30", "checkpoint.keep=9"});
  ASSERT_EQ(trained.exit_code, 0) << trained.error;
  EXPECT_THAT(output(), HasSubstr("done     100 env steps, "));
  EXPECT_THAT(output(), HasSubstr(" model updates in "));
  const fs::path folder = run_folder("runs");
  // the random trial is none that is evaluated, and neither is one that is cut off
  EXPECT_EQ(count(file_text(folder / "metrics.csv"), "\n"), 1 + 2);
  EXPECT_EQ(count(file_text(folder / "episodes.csv"), "\n"), 1 + 3);
  EXPECT_EQ(count(file_text(folder / "log.txt"), "model fit: 30 epochs"), 3);

  ASSERT_EQ(
      run({"eval", "latest", "--save-trajectories", "a bank, few.st", "--episodes", "2"}).exit_code,
      0);
  EXPECT_THAT(output(), HasSubstr("60 steps of 2 episodes in a bank, few.st"));
  const std::string replay = (folder / "checkpoints/step-000000060/replay.safetensors").string();
  ASSERT_EQ(
      run({"eval", "latest", "--model-nll", "--trajectories", "a bank, few.st", replay}).exit_code,
      0);
  // at 30 steps nothing has been fitted yet
  for (const char* row : {"\n       60       1  ", "\n       60       2  ", "\n       90       1  ",
                          "\n      100       2  "})
    EXPECT_THAT(output(), HasSubstr(row));
  EXPECT_THAT(output(), testing::Not(HasSubstr("\n       30  ")));
  ASSERT_EQ(
      run({"eval", "latest", "--open-loop", "5", "--svg", "o.svg", "--csv", "o.csv"}).exit_code, 0);
  EXPECT_THAT(output(), HasSubstr("3 members, each along its own mean for 5 steps with the real "
                                  "actions, from 8 states"));
  EXPECT_THAT(file_text(folder_.path() / "o.svg"), HasSubstr("mean of the members"));
  EXPECT_EQ(count(file_text(folder_.path() / "o.csv"), "\n"), 1 + 5 * 3);

  for (const auto& [words, text] : std::vector<std::pair<std::vector<std::string>, const char*>>{
           {{"--model-nll"}, "add --trajectories FILE"},
           {{"--trajectories", replay}, "nothing reads them; add --model-nll or --open-loop"},
           {{"--csv", "x"}, "add --open-loop"},
           {{"--stochastic"}, "was trained by pets, which learns no actor"},
           {{"--value-error"}, "was trained by pets, which learns no value of actions"}}) {
    std::vector<std::string> command{"eval", "latest"};
    command.insert(command.end(), words.begin(), words.end());
    const Outcome refused = run(command);
    EXPECT_EQ(refused.exit_code, 2) << text;
    EXPECT_THAT(refused.error, HasSubstr(text));
    EXPECT_THAT(output(), testing::Not(HasSubstr("return"))) << text << ": told after the work";
  }
  for (const char* option : {"--svg", "--csv"}) {
    const Outcome refused = run({"eval", "latest", "--open-loop", "5", option, "none/x.svg"});
    EXPECT_EQ(refused.exit_code, 4);
    EXPECT_EQ(refused.error,
              "none/x.svg cannot be written: there is no folder none. Choose another place.\n");
    EXPECT_EQ(output(), "");
  }
  const Outcome unfitted = run({"eval", (folder / "checkpoints/step-000000030").string()});
  EXPECT_EQ(unfitted.exit_code, 4);
  EXPECT_THAT(unfitted.error, HasSubstr("is from the exploration before the first fit, and plans "
                                        "need a model. Take one from after env step 30"));
  // steps of no episode
  SafetensorsFile bank(folder_.path() / "a bank, few.st");
  std::vector<float> records(
      static_cast<std::size_t>(bank.shape("real")[0] * bank.shape("real")[1]), 1e30f);
  write_safetensors(folder_.path() / "far",
                    {tensor_ref("real", records.data(), bank.shape("real"))});
  const Outcome far = run({"eval", "latest", "--model-nll", "--trajectories", "far"});
  EXPECT_EQ(far.exit_code, 4);
  EXPECT_THAT(far.error,
              testing::ContainsRegex("the loss of the model of .* on step 0 of far is "));
}

TEST_F(ProgramTest, ARunThatDoesNotFitIntoMemoryIsRefusedBeforeItStarts) {
  const Outcome outcome = run({"run", "smoke", "rollout.retain_epochs=1000000"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.error, testing::StartsWith("this run will need about "));
  EXPECT_FALSE(fs::exists(folder_.path() / "runs"));
}

// What readelf says of a release build: stack protector, checked calls of the C library, and every
// address bound before main and then read-only.
TEST_F(ProgramTest, AReleaseBuildIsHardened) {
#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "not a release build";
#endif
  if (shell("command -v readelf >/dev/null") != 0) GTEST_SKIP() << "no readelf";
  EXPECT_EQ(shell("readelf -dW $M | grep -q 'BIND_NOW\\|FLAGS.*NOW'"), 0) << "binds lazily";
  EXPECT_EQ(shell("readelf -lW $M | grep -q GNU_RELRO"), 0);
  EXPECT_EQ(shell("readelf -hW $M | grep -q 'Type: *DYN'"), 0) << "not position-independent";
  EXPECT_EQ(shell("readelf --dyn-syms -W $M | grep -q __stack_chk_fail"), 0);
  EXPECT_EQ(shell("readelf --dyn-syms -W $M | grep -q '__[a-z]*_chk@'"), 0) << "no checked calls";
}

TEST_F(ProgramTest, TheInstructionSetIsToldAndStored) {
  if (std::getenv("MBRL_ISA") != nullptr) GTEST_SKIP() << "MBRL_ISA asks for one";
  const std::string small =
      " run ppo_hopper env.name=pendulum ppo.steps_per_update=64 "
      "loop.num_env_steps=64 eval.num_episodes=1 >/dev/null 2>err";
  ASSERT_EQ(shell("export MBRL_ISA=avx2; $M doctor >out && $M" + small), 0);
  EXPECT_THAT(output(), HasSubstr("\nkernels   for avx2, as MBRL_ISA asks\n"));
  const auto machine = nlohmann::json::parse(file_text(run_folder("runs") / "machine.json"));
  EXPECT_EQ(machine.at("cpu_kernels"), "avx2");
  EXPECT_THAT(machine.at("mujoco").get<std::string>(), testing::StartsWith("MuJoCo "));
  EXPECT_EQ(shell("MBRL_ISA=avx5 $M" + small), 2);
  EXPECT_EQ(
      file_text(folder_.path() / "err"),
      "MBRL_ISA is \"avx5\"; expected avx2, avx512, bf16_portable, or no such variable for the "
      "best that there is.\n");
  ASSERT_EQ(shell("$M doctor >out"), 0);
  EXPECT_THAT(output(), testing::ContainsRegex("\nkernels   for avx(2|512)\n"));
}

TEST_F(ProgramTest, BenchPrintsOneObjectPerLine) {
  ASSERT_EQ(run({"bench", "smoke", "--json", "--seconds", "0.01"}).exit_code, 0);
  std::stringstream lines(output());
  std::string line;
  std::vector<std::string> operations;
  while (std::getline(lines, line)) {
    const auto row = nlohmann::json::parse(line);
    EXPECT_GT(row.at("rate"), 0.0);
    EXPECT_LE(row.at("time_q1_s"), row.at("time_q3_s"));
    operations.push_back(row.at("operation"));
  }
  EXPECT_THAT(operations, testing::IsSupersetOf({"fma peak", "gemm", "sac sequential",
                                                 "ensemble step", "sac population", "rollout",
                                                 "plan", "member copy", "env step"}));
  EXPECT_EQ(std::count(operations.begin(), operations.end(), "sac population"), 3);
  EXPECT_EQ(std::count(operations.begin(), operations.end(), "plan"), 2);
  EXPECT_EQ(std::count(operations.begin(), operations.end(), "plan population"), 2);
}

TEST_F(ProgramTest, BenchMeasuresWhatIsAskedFor) {
  const auto operations = [&](const std::string& work) {
    // the config and its changes behind it are not taken for work
    EXPECT_EQ(run({"bench", "--device", "cpu", "--json", "--seconds", "0.01", "--work",
                   work.c_str(), "smoke", "sac.batch_size=64"})
                  .exit_code,
              0);
    std::stringstream lines(output());
    std::vector<std::string> names;
    for (std::string line; std::getline(lines, line);)
      names.push_back(nlohmann::json::parse(line).at("operation"));
    // floors need the peaks, which come first
    EXPECT_THAT(std::vector<std::string>(names.begin(), names.begin() + 3),
                testing::ElementsAre("fma peak", "gemm", "dense + relu"));
    names.erase(names.begin(), names.begin() + 3);
    return names;
  };
  using testing::ElementsAre;
  EXPECT_THAT(operations("sac,copy"),
              ElementsAre("sac sequential", "sac simultaneous", "member copy"));
  EXPECT_THAT(output(), HasSubstr(" batch 64\""));
  EXPECT_THAT(operations("env,ppo,ensemble,products"),
              ElementsAre("ensemble step", "ppo", "env step"))
      << "products are of a GPU alone";
  EXPECT_NE(run({"bench", "smoke", "--work", "sack"}).exit_code, 0);
}

TEST_F(ProgramTest, BenchTakesChangesWithoutAConfig) {
  ASSERT_EQ(run({"bench", "rollout.batch_size=1000", "sac.hidden_sizes=[16,16]", "--json",
                 "--seconds", "0.01"})
                .exit_code,
            0);
  EXPECT_THAT(output(), HasSubstr("\"1000 rows, 1 step\""));
  EXPECT_THAT(output(), HasSubstr("\"S 11 A 3 batch 256\"")) << "the default config's";
}

TEST_F(ProgramTest, BenchEnvsHasARowPerEnvironment) {
  ASSERT_EQ(run({"bench", "envs", "--json", "--seconds", "0.02"}).exit_code, 0);
  std::stringstream lines(output());
  std::string line;
  std::vector<std::string> names;
  while (std::getline(lines, line)) {
    const auto row = nlohmann::json::parse(line);
    names.push_back(row.at("shape"));
    EXPECT_GT(row.at("rate"), 0.0);
    EXPECT_GT(row.at("rate_all_threads"), 0.0);
    EXPECT_GT(row.at("scaling"), 0.0);
    // threads of one process cannot do more than as many cores, but for noise
    EXPECT_GT(row.at("scaling_apart"), 0.0);
    // a step is the simulator's work and a little more
    if (row.contains("share_of_floor")) {
      EXPECT_GT(row.at("share_of_floor"), 0.3) << names.back();
    }
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"cartpole", "hopper", "hopper_bullet", "humanoid"}));
}

}  // namespace
}  // namespace mbrl
