// Tests for host/run/recorder.{h,cpp}.
#include "host/run/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/io/tensorboard.h"
#include "tests/support/configs.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

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
    const RunDir dir =
        RunDir::open(folder.path() / (interrupted ? "b" : "a"), trial_config(), {}, "cpu");
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

TEST(RecorderTest, EachEndOfAnEpisodeHasItsColumn) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path(), trial_config(), {}, "cpu");
  Progress progress(1000.0);
  Recorder recorder(dir, {}, -1, progress);
  recorder.record_episode({1, 0, 0.5, 7, true, false, false});
  recorder.record_episode({2, 1, 1.5, 8, false, true, false});
  recorder.record_episode({3, 2, 2.5, 9, false, true, true});
  EXPECT_THAT(file_text(dir.path() / "episodes.csv"),
              testing::EndsWith("\n1,0,0.5,7,1,0,0\n2,1,1.5,8,0,1,0\n3,2,2.5,9,0,1,1\n"));
}

TEST(RecorderTest, EventsHoldWhatTheTablesHold) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path(), trial_config(), {}, "cpu");
  Progress progress(1000.0);
  Recorder recorder(dir, {"loss", "alpha"}, -1, progress);
  recorder.record_evaluation({40, 2, 0.5, 15.0, 2.0, 1, {0.25, 8.0}});
  recorder.record_episode({50, 3, 3.5, 5, true, false, false});
  std::string events;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path()))
    if (entry.path().filename().string().starts_with("events.out")) events = file_text(entry);
  const auto holds = [&](const std::string& tag, std::int64_t step, float value) {
    // without the time, which comes first
    EXPECT_THAT(events, HasSubstr(scalar_event(0.0, step, tag, value).substr(9))) << tag;
  };
  holds("eval/return_mean", 40, 15.0f);
  holds("eval/return_std", 40, 2.0f);
  holds("train/loss", 40, 0.25f);
  holds("train/alpha", 40, 8.0f);
  holds("episode/return", 50, 3.5f);
}

TEST(RecorderTest, AStartTakesTheSummaryOfTheLastEndAway) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path(), trial_config(), {}, "cpu");
  write_text(dir.path() / "summary.json", "{}");
  Progress progress(1000.0);
  Recorder recorder(dir, {}, 0, progress);
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "summary.json"));
}

TEST(RecorderTest, ALogThatCannotBeOpenedSaysTheWayOut) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path(), trial_config(), {}, "cpu");
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
  const RunDir dir = RunDir::open(folder.path(), trial_config(), {}, "cpu");
  Progress progress(1000.0);
  Recorder recorder(dir, {}, -1, progress);
  testing::internal::CaptureStderr();
  recorder.log("hello");
  recorder.warn("careful");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("warning: careful"));
  EXPECT_THAT(file_text(dir.path() / "log.txt"),
              testing::AllOf(HasSubstr("info hello"), HasSubstr("warning: careful")));
  recorder.write_summary(RunStatus::kDone, {{"seed", 4}});
  EXPECT_EQ(nlohmann::json::parse(file_text(dir.path() / "summary.json")).at("status"), "done");
}

}  // namespace
}  // namespace mbrl
