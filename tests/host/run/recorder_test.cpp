// Tests for host/run/recorder.{h,cpp}.
#include "host/run/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/io/tensorboard.h"
#include "host/model/trainer.h"
#include "tests/support/configs.h"
#include "tests/support/events.h"
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

// value of a tag at a step, NaN if there is none
float event_value(const std::vector<ReadEvent>& events, const std::string& tag, std::int64_t step) {
  for (const ReadEvent& event : events)
    if (event.tag == tag && event.step == step) return event.value;
  return std::nanf("");
}

TEST(RecorderTest, EventsHoldWhatTheTablesHold) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path(), trial_config(), {}, "cpu");
  Progress progress(1000.0);
  Recorder recorder(dir, {"loss", "alpha", "train_return", "model_loss"}, -1, progress);
  recorder.record_evaluation(
      {40, 2, 0.5, 15.0, 2.0, 1, {0.25, 8.0, 1.0, 1.0}, {13.0, 17.0}, {4, 6}});
  recorder.record_episode({50, 3, 3.5, 5, true, false, false});
  recorder.record_episode({60, 4, 4.5, 7, true, false, false});
  recorder.record_log({.env_steps = 60,
                       .wall_time_s = 30.0,
                       .seconds = 4.0,
                       .steps = 20,
                       .updates = 400,
                       .metrics = {0.5, 0.125, 1.0, 1.0},
                       .schedule = {{"sac.tau", 0.75}},
                       .stage_seconds = {{"sac", 3.0}}});
  FitReport fit{.epochs = 3,
                .steps = 21,
                .num_train = 80,
                .num_holdout = 20,
                .holdout_mse = {0.5, 0.25},
                .validation_loss = 0.25,
                .train_loss = -1.5f,
                .loss_values = {{"max_logvar", 0.5f}}};
  recorder.record_fit(70, fit);
  const std::vector<ReadEvent> events = read_events(dir.path());
  const std::vector<std::pair<std::string, std::pair<std::int64_t, float>>> wanted = {
      {"eval/mean_reward", {40, 15.0f}},
      {"eval/std_reward", {40, 2.0f}},
      {"eval/num_broken", {40, 1.0f}},
      {"eval/mean_ep_length", {40, 5.0f}},
      {"episode/return", {50, 3.5f}},
      {"episode/length", {50, 5.0f}},
      {"episode/return", {60, 4.5f}},
      {"episode/length", {60, 7.0f}},
      {"rollout/ep_rew_mean", {60, 4.0f}},
      {"rollout/ep_len_mean", {60, 6.0f}},
      {"train/loss", {60, 0.5f}},
      {"train/ent_coef", {60, 0.125f}},
      {"schedule/sac.tau", {60, 0.75f}},
      {"time/fps", {60, 5.0f}},
      {"time/updates_per_s", {60, 100.0f}},
      {"time/time_elapsed", {60, 30.0f}},
      {"time/share/sac", {60, 0.75f}},
      {"model/loss", {70, -1.5f}},
      {"model/validation_loss", {70, 0.25f}},
      {"model/epochs", {70, 3.0f}},
      {"model/steps", {70, 21.0f}},
      {"model/train_rows", {70, 80.0f}},
      {"model/holdout_rows", {70, 20.0f}},
      {"model/max_logvar", {70, 0.5f}},
      {"model/holdout_mse/0", {70, 0.5f}},
      {"model/holdout_mse/1", {70, 0.25f}}};
  for (const auto& [tag, at] : wanted)
    EXPECT_EQ(event_value(events, tag, at.first), at.second) << tag;
  EXPECT_EQ(events.size(), wanted.size()) << "each once, and none besides";
  EXPECT_THAT(file_text(dir.path() / "evaluations.csv"),
              testing::Eq("env_steps,episode,return,length\n40,0,13,4\n40,1,17,6\n"));
}

TEST(RecorderTest, TheMeanOverEpisodesGoesOnAfterAResume) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path(), trial_config(), {}, "cpu");
  Progress progress(1000.0);
  const auto episode = [](std::int64_t i) {
    return EpisodeReport{10 * i, i,    static_cast<double>(i), static_cast<int>(2 * i), true,
                         false,  false};
  };
  float wanted = 0.0f;
  {
    Recorder recorder(dir, {}, -1, progress);
    for (std::int64_t i = 1; i <= 130; ++i) recorder.record_episode(episode(i));
    // of 21 to 120: the newest hundred at step 1200
    wanted = (21.0f + 120.0f) / 2.0f;
  }
  Recorder recorder(dir, {}, 1200, progress);
  recorder.record_log(
      {.env_steps = 1201, .wall_time_s = 1, .seconds = 1, .steps = 1, .updates = 0, .metrics = {}});
  const std::vector<ReadEvent> events = read_events(dir.path());
  EXPECT_EQ(event_value(events, "rollout/ep_rew_mean", 1201), wanted);
  EXPECT_EQ(event_value(events, "rollout/ep_len_mean", 1201), 2.0f * wanted);
}

TEST(RecorderTest, TheConfigIsATableOfItsKeysWhoseBarsAreEscaped) {
  const TemporaryDirectory folder;
  Config config = trial_config();
  config.name = "a|b <i>";
  config.sac.tau = 0.01f;
  const RunDir dir = RunDir::open_folder(folder.path() / "run", config, {}, "cpu");
  Progress progress(1000.0);
  Recorder recorder(dir, {}, -1, progress);
  recorder.describe(config);
  std::string text;
  for (const ReadEvent& event : read_events(dir.path()))
    if (event.tag == "config") text = event.text;
  EXPECT_THAT(text, testing::StartsWith("| key | value | default |\n| --- | --- | --- |\n"));
  EXPECT_THAT(text, HasSubstr("| **name** | a\\|b <i> | run |\n"));
  EXPECT_THAT(text, HasSubstr("| **sac.tau** | 0.01 | 0.005 |\n"));
  EXPECT_THAT(text, HasSubstr("| sac.discount | 0.99 | 0.99 |\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("ppo.")));
}

TEST(RecorderTest, OnlyAnEndForGoodIsToldToViewers) {
  Progress progress(1000.0);
  for (const auto& [status, told] : {std::pair{RunStatus::kDone, 1},
                                     {RunStatus::kDiverged, 1},
                                     {RunStatus::kStopped, 0},
                                     {RunStatus::kFailed, 0},
                                     {RunStatus::kPaused, 0}}) {
    const TemporaryDirectory folder;
    const RunDir dir = RunDir::open(folder.path(), trial_config(), {}, "cpu");
    {
      Recorder recorder(dir, {}, -1, progress);
      recorder.write_summary(status, {});
    }
    int count = 0;
    for (const ReadEvent& event : read_events(dir.path()))
      count += event.tag == "_hparams_/session_end_info";
    EXPECT_EQ(count, told) << status_text(status);
  }
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
