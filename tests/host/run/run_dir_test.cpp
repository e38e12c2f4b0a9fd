// Tests for host/run/{run_dir,signals,recorder,loop}.
#include "host/run/run_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/config/print.h"
#include "host/run/recorder.h"
#include "host/run/signals.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

Config config() {
  Config c;
  c.name = "trial";
  c.seed = 4;
  return c;
}

TEST(RunDirTest, IsNameHashSeedAndSaysHowItWasMade) {
  const TemporaryDirectory folder;
  const RunDir dir =
      RunDir::open(folder.path() / "runs", config(), {"mbrl_gpu", "run", "a b", "x=[1,2]"}, "cpu");
  EXPECT_EQ(dir.path(), folder.path() / "runs" / "trial" / config_hash(config()) / "seed-4");
  EXPECT_EQ(file_text(dir.path() / "config.json"), config_json_text(config()));
  EXPECT_EQ(file_text(dir.path() / "command.txt"), "mbrl_gpu run 'a b' 'x=[1,2]'\n");
  const auto machine = nlohmann::json::parse(file_text(dir.path() / "machine.json"));
  for (const char* key : {"host", "cpu", "memory", "device", "program", "commit", "compiler"})
    EXPECT_TRUE(machine.contains(key)) << key;
}

TEST(RunDirTest, AFolderThatCannotBeWrittenSaysWhyAndTheWayOut) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "runs", "a file");
  try {
    RunDir::open(folder.path() / "runs", config(), {}, "cpu");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("cannot be made: Not a directory"),
                                             HasSubstr("--runs DIR")));
    EXPECT_EQ(error.code(), ExitCode::kData);
  }
}

TEST(RunDirTest, ASecondProcessIsRefusedWhileTheFirstRuns) {
  const TemporaryDirectory folder;
  {
    const RunDir first = RunDir::open(folder.path(), config(), {}, "cpu");
    try {
      RunDir::open(folder.path(), config(), {}, "cpu");
      FAIL();
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("is in use by process " + std::to_string(getpid())));
    }
  }
  EXPECT_NO_THROW(RunDir::open(folder.path(), config(), {}, "cpu"));
}

TEST(CommandTextTest, QuotesWhatAShellWouldSplit) {
  EXPECT_EQ(command_text({"a", "it's", "", "k=v"}), "a 'it'\\''s' '' k=v");
}

TEST(SignalsTest, TermAndIntAskForAStop) {
  install_signal_handlers();
  for (const int signal : {SIGTERM, SIGINT}) {
    clear_stop();
    EXPECT_FALSE(stop_requested());
    raise(signal);
    EXPECT_TRUE(stop_requested());
  }
  clear_stop();
}

// Runs `action` in a child with standard error in a pipe; returns its exit code and what it wrote.
template <typename Action>
std::pair<int, std::string> in_child(Action action) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(fds[1], STDERR_FILENO);
    action();
    _exit(0);
  }
  close(fds[1]);
  std::string text;
  char block[256];
  for (ssize_t count; (count = read(fds[0], block, sizeof(block))) > 0;)
    text.append(block, static_cast<std::size_t>(count));
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

TEST(SignalsTest, ASecondInterruptEndsAtOnceAndSaysWhatIsLeft) {
  const auto [code, text] = in_child([] {
    install_signal_handlers();
    clear_stop();
    raise(SIGINT);
    raise(SIGINT);
  });
  EXPECT_EQ(code, 130);
  EXPECT_THAT(text, testing::AllOf(HasSubstr("stopping after this step, with a checkpoint"),
                                   HasSubstr("stopped at once; complete checkpoints stay so")));
}

TEST(SignalsTest, ASecondTermWaitsForTheCheckpoint) {
  const auto [code, text] = in_child([] {
    install_signal_handlers();
    clear_stop();
    raise(SIGTERM);
    raise(SIGTERM);
    _exit(stop_requested() ? 7 : 8);
  });
  EXPECT_EQ(code, 7);
}

TEST(SignalsTest, AClosedPipeAndAFileSizeLimitAreErrorsNotTheEnd) {
  const auto [code, text] = in_child([] {
    install_signal_handlers();
    raise(SIGPIPE);
    raise(SIGXFSZ);
  });
  EXPECT_EQ(code, 0);
}

TEST(RecorderTest, ResumedTablesEqualThoseOfARunThatNeverStopped) {
  const TemporaryDirectory folder;
  const auto evaluation = [](std::int64_t step) {
    return EvaluationRow{
        step, static_cast<int>(step / 10), 0.5, 1.5 * static_cast<double>(step), 2.0, 1, {0.25}};
  };
  const auto episode = [](std::int64_t step) {
    return EpisodeReport{step, step / 5, 3.5, 5, true, false, false};
  };
  std::string whole[2];
  for (const bool interrupted : {false, true}) {
    const RunDir dir = RunDir::open(folder.path() / (interrupted ? "b" : "a"), config(), {}, "cpu");
    Progress progress(1000.0);
    {
      Recorder recorder(dir, {"loss"}, -1, progress);
      for (const std::int64_t step : {10, 20}) {
        recorder.record_episode(episode(step));
        recorder.record_evaluation(evaluation(step));
      }
      if (interrupted) {  // beyond the checkpoint at 20: written, then lost
        recorder.record_episode(episode(25));
        recorder.record_evaluation(evaluation(30));
      } else {
        recorder.record_episode(episode(30));
        recorder.record_evaluation(evaluation(30));
      }
    }
    if (interrupted) {
      Recorder recorder(dir, {"loss"}, 20, progress);
      recorder.record_episode(episode(30));
      recorder.record_evaluation(evaluation(30));
    }
    const std::string text =
        file_text(dir.path() / "metrics.csv") + file_text(dir.path() / "episodes.csv");
    whole[interrupted] = text;
  }
  EXPECT_EQ(whole[0], whole[1]);
  EXPECT_THAT(whole[0],
              testing::StartsWith(
                  "env_steps,epoch,wall_time_s,eval_return_mean,eval_return_std,eval_broken,loss\n"
                  "10,1,0.5,15,2,1,0.25\n"));
  EXPECT_THAT(
      whole[0],
      HasSubstr("env_steps,episode,return,length,terminated,truncated,broken\n10,2,3.5,5,1,0,0\n"));
}

TEST(RecorderTest, AStartTakesTheSummaryOfTheLastEndAway) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path(), config(), {}, "cpu");
  write_text(dir.path() / "summary.json", "{}");
  Progress progress(1000.0);
  Recorder recorder(dir, {}, 0, progress);
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "summary.json"));
}

TEST(RecorderTest, ALogThatCannotBeOpenedSaysTheWayOut) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path(), config(), {}, "cpu");
  std::filesystem::create_directory(dir.path() / "log.txt");
  Progress progress(1000.0);
  try {
    Recorder recorder(dir, {}, -1, progress);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("log.txt"), HasSubstr("--runs DIR")));
  }
}

TEST(RecorderTest, LogAndSummaryAreKept) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path(), config(), {}, "cpu");
  Progress progress(1000.0);
  Recorder recorder(dir, {}, -1, progress);
  testing::internal::CaptureStderr();
  recorder.log("hello");
  recorder.warn("careful");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("warning: careful"));
  EXPECT_THAT(file_text(dir.path() / "log.txt"),
              testing::AllOf(HasSubstr("info hello"), HasSubstr("warning: careful")));
  recorder.write_summary({{"status", "done"}});
  EXPECT_EQ(nlohmann::json::parse(file_text(dir.path() / "summary.json")).at("status"), "done");
}

}  // namespace
}  // namespace mbrl
