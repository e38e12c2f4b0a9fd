// Tests for host/run/training.{h,cpp}: what a run does to its folder, and what it asks of it.
#include "host/run/training.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <tuple>

#include "host/io/checkpoint.h"
#include "host/io/crc32c.h"
#include "host/io/curves.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"
#include "tests/support/events.h"
#include "tests/support/run_outcome.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Does something at an env step.
class At : public Schedule {
 public:
  At(std::int64_t step, std::function<void()> action) : step_(step), action_(std::move(action)) {}
  bool before_step(Learner& learner) override {
    if (learner.env_steps() == step_) action_();
    return true;
  }
  void on_evaluation(const Learner&, double) override {}
  std::string table() const override { return "decisions.csv"; }
  void open(const fs::path& folder, std::int64_t) override {
    write_text(folder / table(), "env_steps\n");
  }
  void sync() override {}
  nlohmann::json state() const override { return step_; }
  void set_state(const nlohmann::json& state) override { restored = state.get<std::int64_t>(); }
  static inline std::int64_t restored = 0;  // the state that the last one was given

 private:
  std::int64_t step_;
  std::function<void()> action_;
};

class TrainingTest : public testing::Test {
 protected:
  void SetUp() override { clear_stop(); }
  void TearDown() override { clear_stop(); }

  fs::path run() const { return folder_.path() / "run"; }
  // trains to `until`; at step `at` something happens
  ExitCode train(const Config& config, std::int64_t until = 90, std::int64_t at = -1,
                 std::function<void()> action = {}, const std::string& resume = "auto") {
    ThreadPool pool(1);
    OpenDevice device("cpu", {}, pool);
    const RunDir dir = RunDir::open_folder(run(), config, {}, "cpu");
    ProgressSink progress;
    Training training({.config = config, .resume = resume, .to_console = false}, dir, device,
                      progress, std::make_unique<At>(at, std::move(action)));
    return training.run(until);
  }
  std::set<std::string> checkpoints() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(run() / "checkpoints"))
      names.insert(entry.path().filename());
    return names;
  }

  TemporaryDirectory folder_;
};

TEST_F(TrainingTest, ItsMarkerSaysWhatItHasComeTo) {
  EXPECT_EQ(train(small_member(), 30), ExitCode::kDone);
  EXPECT_EQ(run_status(run()), RunStatus::kPaused);
  EXPECT_EQ(train(small_member(), 90, 40, request_stop), ExitCode::kStopped);
  EXPECT_EQ(run_status(run()), RunStatus::kStopped);
  clear_stop();
  RunStatus meanwhile = RunStatus::kDone;
  EXPECT_EQ(train(small_member(), 90, 60, [&] { meanwhile = run_status(run()); }), ExitCode::kDone);
  EXPECT_EQ(meanwhile, RunStatus::kOpen) << "as it is on a kill";
  EXPECT_EQ(run_status(run()), RunStatus::kDone);
}

TEST_F(TrainingTest, ADivergedRunIsMarkedAsOneThatWouldDivergeAgain) {
  Config config = small_member();
  config.sac.learning_rate = 1e18f;
  EXPECT_THROW(train(config), DivergedError);
  EXPECT_EQ(run_status(run()), RunStatus::kDiverged);
  EXPECT_THAT(file_text(run() / "summary.json"), HasSubstr("\"error\": \"env step "));
}

TEST_F(TrainingTest, Usr1SavesACheckpointAndGoesOn) {
  Config config = small_member();
  config.checkpoint.keep = 9;
  install_signal_handlers();
  testing::internal::CaptureStderr();
  train(config, 90, 40, [] { raise(SIGUSR1); });
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(checkpoints(), (std::set<std::string>{"step-000000041", "step-000000090"}));
  EXPECT_THAT(file_text(run() / "log.txt"),
              HasSubstr("checkpoint at env step 41, as SIGUSR1 asked"));
}

TEST_F(TrainingTest, CheckpointsComeByTheClockToo) {
  Config config = small_member();
  config.loop.num_env_steps = 30;
  config.checkpoint.keep = 99;
  config.checkpoint.minutes = 1e-9f;
  train(config, 30);
  EXPECT_EQ(checkpoints().size(), 30u);
  config.checkpoint.minutes = 1e9f;
  fs::remove_all(run());
  train(config, 30);
  EXPECT_EQ(checkpoints().size(), 1u);
}

TEST_F(TrainingTest, MinutesBetweenCheckpointsAreNoSeconds) {
  Config config = small_member();
  config.loop.num_env_steps = 30;
  config.checkpoint.keep = 99;
  config.checkpoint.minutes = 0.25f;
  train(config, 30, 20, [] { std::this_thread::sleep_for(std::chrono::milliseconds(300)); });
  EXPECT_EQ(checkpoints(), std::set<std::string>{"step-000000030"});
}

TEST_F(TrainingTest, AFolderThatIsTakenAwayEndsTheRunAndItsReplacementIsLeftAlone) {
  const fs::path away = folder_.path() / "away";
  const std::string told = error_text<DataError>([&] {
    train(small_member(), 90, 40, [&] {
      fs::rename(run(), away);
      fs::create_directory(run());
      write_text(run() / "lock", "another process");
    });
  });
  EXPECT_THAT(told, HasSubstr("was removed, moved or replaced while this run wrote into it"));
  EXPECT_EQ(std::distance(fs::directory_iterator(run()), fs::directory_iterator()), 1);
  EXPECT_THAT(file_text(away / "log.txt"), HasSubstr("was removed, moved or replaced"));
}

TEST_F(TrainingTest, ATableThatIsGoneIsNotBegunAnewWithoutAWord) {
  train(small_member(), 50);
  for (const char* name : {"metrics.csv", "episodes.csv", "decisions.csv"}) {
    const std::string table = file_text(run() / name);
    for (const bool empty : {false, true}) {
      if (empty) {
        write_text(run() / name, "");
      } else {
        fs::remove(run() / name);
      }
      EXPECT_THAT(error_text<DataError>([&] { train(small_member(), 60); }),
                  testing::AllOf(HasSubstr((run() / name).string()),
                                 HasSubstr(empty ? "is empty" : "is missing"),
                                 HasSubstr("has come to env step 50"), HasSubstr("delete ")));
      write_text(run() / name, table);
    }
  }
  EXPECT_EQ(train(small_member(), 60), ExitCode::kDone) << "put back";

  // asked for, it goes on with the rows there will be
  fs::remove(run() / "metrics.csv");
  testing::internal::CaptureStderr();
  EXPECT_EQ(train(small_member(), 90, -1, {}, (run() / "checkpoints/step-000000060").string()),
            ExitCode::kDone);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("metrics.csv is empty or not there: rows up to step 60 are lost"));
}

TEST_F(TrainingTest, WhatARunHasComeToGoesOnAfterAStop) {
  Config config = small_member();
  config.seed = 1;  // whose best evaluation is at step 60
  train(config, 88, 12345);
  const auto saved =
      nlohmann::json::parse(file_text(run() / "checkpoints/step-000000088/state.json")).at("run");
  At::restored = 0;
  train(config);
  EXPECT_EQ(At::restored, 12345) << "what the schedule of the last process had saved";
  const auto summary = nlohmann::json::parse(file_text(run() / "summary.json"));
  const Curve returns = read_curve(run() / "metrics.csv", "eval_return_mean");
  ASSERT_EQ(returns.y.size(), 4u);
  ASSERT_EQ(*std::max_element(returns.y.begin(), returns.y.end()), returns.y[1]);
  EXPECT_EQ(summary.at("best_return"), returns.y[1]);
  EXPECT_EQ(summary.at("final_return"), returns.y.back());
  EXPECT_EQ(summary.at("env_steps"), 90);
  EXPECT_EQ(summary.at("policy_updates"), 2 * 70) << "two after each step, of all processes";
  EXPECT_EQ(summary.at("seed"), 1);

  // times are sums over processes; the rate is of the last one, which made 4 of the 140 updates
  const double total = summary.at("wall_time_s"), before = saved.at("wall_time_s");
  EXPECT_GT(total, before);
  const double updates = summary.at("updates_per_s").get<double>() * (total - before);
  EXPECT_GT(updates, 0.0);
  EXPECT_LT(updates, 100.0);
  double of_stages = 0.0;
  for (const auto& [stage, seconds] : summary.at("stage_seconds").items()) {
    of_stages += seconds.get<double>();
    EXPECT_GE(seconds, saved.at("stage_seconds").value(stage, 0.0)) << stage;
  }
  EXPECT_LE(of_stages, total);
}

TEST_F(TrainingTest, EvaluationsAreCountedFromTheEndOfExploration) {
  Config config = small_member();
  config.loop.num_exploration_steps = 25;  // ends with the episode at step 30
  config.loop.num_env_steps = 95;
  train(config, 95);
  const Curve returns = read_curve(run() / "metrics.csv", "eval_return_mean");
  EXPECT_EQ(returns.x, (std::vector<double>{50, 70, 90, 95}));
  EXPECT_EQ(read_curve(run() / "metrics.csv", "epoch").y, (std::vector<double>{1, 2, 3, 3}));
}

TEST_F(TrainingTest, AStateOfOtherTypesIsNamed) {
  train(small_member(), 50);
  const fs::path checkpoint = run() / "checkpoints/step-000000050";
  auto state = nlohmann::json::parse(file_text(checkpoint / "state.json"));
  state["run"]["wall_time_s"] = "a while";
  write_text(checkpoint / "state.json", state.dump());
  auto done = nlohmann::json::parse(file_text(checkpoint / "DONE"));
  done["bytes"]["state.json"] = fs::file_size(checkpoint / "state.json");
  done["crc32c"]["state.json"] = crc32c(file_text(checkpoint / "state.json"));
  write_text(checkpoint / "DONE", done.dump());
  EXPECT_THAT(error_text<DataError>([&] { train(small_member()); }),
              HasSubstr((checkpoint / "state.json").string()));
}

TEST_F(TrainingTest, WhatAKillAmidDeletingOldCheckpointsLeftIsTidiedAtTheNextStart) {
  Config config = small_member();
  config.checkpoint.keep = 9;
  config.checkpoint.interval = 30;
  train(config);
  ASSERT_EQ(checkpoints().size(), 3u);
  config.checkpoint.keep = 1;
  train(config);
  EXPECT_EQ(checkpoints(), std::set<std::string>{"step-000000090"});
}

// Raises the number of updates by the last return, every 20 steps.
class ByReturn : public Schedule {
 public:
  bool before_step(Learner& learner) override {
    if (!needs_returns(learner)) return true;
    std::vector<Hyperparameter> all = learner.hyperparameters();
    for (Hyperparameter& value : all)
      if (std::string(value.name) == "updates_per_step")
        value.set(1.0 + std::fmod(std::fabs(1e3 * last_), 3.0));
    num_known_ += num_new_;
    num_new_ = 0;
    return true;
  }
  bool needs_returns(const Learner& learner) const override {
    return learner.env_steps() % 20 == 0;
  }
  void on_evaluation(const Learner&, double mean_return) override {
    last_ = mean_return;
    ++num_new_;
  }
  void open(const fs::path&, std::int64_t) override {}
  void sync() override {}
  nlohmann::json state() const override { return {last_, num_known_, num_new_}; }
  void set_state(const nlohmann::json& state) override {
    last_ = state[0].get<double>();
    num_known_ = state[1].get<int>();
    num_new_ = state[2].get<int>();
  }

 private:
  double last_ = 0.0;
  int num_known_ = 0, num_new_ = 0;  // evaluations before the last change, and since
};

// Trains with evaluations that may run beside it.
class BackgroundTest : public TrainingTest {
 protected:
  ExitCode train_beside(bool in_background, const Config& config, std::int64_t until = 90,
                        ProgressSink* sink = nullptr,
                        std::unique_ptr<Schedule> schedule = nullptr) {
    ThreadPool pool(1);
    OpenDevice device("cpu", {}, pool);
    const RunDir dir = RunDir::open_folder(run(), config, {}, "cpu");
    ProgressSink none;
    Training training({.config = config, .to_console = false, .in_background = in_background}, dir,
                      device, sink != nullptr ? *sink : none, std::move(schedule));
    return training.run(until);
  }
};

TEST_F(BackgroundTest, WhatARunLeavesDoesNotDependOnIt) {
  Config config = small_member();
  config.checkpoint.keep = 9;
  config.checkpoint.interval = 15;  // 60 has an evaluation as well
  config.eval.num_episodes = 3;
  for (const char* algorithm : {"mbpo", "sac", "ppo"}) {
    Config c = config;
    c.algorithm = algorithm;
    c.ppo.num_envs = 1;
    c.ppo.steps_per_update = c.ppo.batch_size = 10;
    fs::remove_all(run());
    ASSERT_EQ(train_beside(false, c), ExitCode::kDone);
    const nlohmann::json in_turn = run_outcome(run());
    ASSERT_EQ(in_turn.size(), 4u + 6u) << "tables, log and checkpoints";
    fs::remove_all(run());
    ASSERT_EQ(train_beside(true, c), ExitCode::kDone);
    EXPECT_EQ(nlohmann::json::diff(in_turn, run_outcome(run())), nlohmann::json::array())
        << algorithm;

    // with stops between, at an evaluation and beside one
    fs::remove_all(run());
    c.checkpoint.interval = 0;
    ASSERT_EQ(train_beside(false, c), ExitCode::kDone);
    const nlohmann::json whole = run_outcome(run());
    fs::remove_all(run());
    for (const int until : {40, 61, 90}) ASSERT_EQ(train_beside(true, c, until), ExitCode::kDone);
    nlohmann::json resumed = run_outcome(run());
    for (const char* table : {"episodes", "metrics", "step-000000090"})
      EXPECT_EQ(nlohmann::json::diff(whole[table], resumed[table]), nlohmann::json::array())
          << algorithm << ", " << table;
  }
}

// what changes hyperparameters finds every return that it would find in turn, and so does a checkpoint
TEST_F(BackgroundTest, AScheduleDecidesByTheSameReturns) {
  Config c = small_member();
  c.eval.interval = 10;
  c.eval.num_episodes = 400;  // longer than the steps up to the next decision or checkpoint
  c.checkpoint.keep = 9;
  c.checkpoint.interval = 15;
  nlohmann::json in_turn;
  for (const bool beside : {false, true}) {
    fs::remove_all(run());
    for (const int until : {40, 61, 90})
      ASSERT_EQ(train_beside(beside, c, until, nullptr, std::make_unique<ByReturn>()),
                ExitCode::kDone);
    if (!beside) {
      in_turn = run_outcome(run());
      // seven evaluations, at 30, 40, ... 90; the last change, at 80, knew six
      EXPECT_EQ(in_turn["step-000000090"]["state"]["run"]["schedule"][1], 6);
      EXPECT_EQ(in_turn["step-000000090"]["state"]["run"]["schedule"][2], 1);
    }
  }
  EXPECT_EQ(nlohmann::json::diff(in_turn, run_outcome(run())), nlohmann::json::array());
}

// Calls something at every step.
class AtEveryStep : public ProgressSink {
 public:
  explicit AtEveryStep(std::function<void(std::int64_t)> action) : action_(std::move(action)) {}
  void update(const ProgressState& state) override { action_(state.env_steps); }

 private:
  std::function<void(std::int64_t)> action_;
};

TEST_F(BackgroundTest, TheTrainingGoesOnBesideAnEvaluation) {
  Config config = small_member();
  const auto evaluations = [&] { return read_curve(run() / "metrics.csv", "eval_return_mean").x; };
  // whether it was ahead of an evaluation that was still to be recorded
  const auto is_ahead = [&](bool in_background) {
    fs::remove_all(run());
    bool ahead = false;
    AtEveryStep sink([&](std::int64_t step) {
      if (step == 61) ahead = evaluations().back() < 60;
    });
    EXPECT_EQ(train_beside(in_background, config, 90, &sink), ExitCode::kDone);
    EXPECT_EQ(evaluations(), (std::vector<double>{40, 60, 80, 90}));
    return ahead;
  };
  config.eval.num_episodes = 3000;  // which takes as long as many steps
  EXPECT_FALSE(is_ahead(false));
  // where other programs hold the training back, longer evaluations
  bool ahead = false;
  for (int tries = 0; tries < 4 && !ahead; ++tries, config.eval.num_episodes *= 4)
    ahead = is_ahead(true);
  EXPECT_TRUE(ahead);
}

TEST_F(BackgroundTest, ACheckpointThatCannotBeWrittenEndsTheRun) {
  Config config = small_member();
  config.checkpoint.interval = 60;
  for (const bool in_background : {false, true}) {
    fs::remove_all(run());
    AtEveryStep sink([&](std::int64_t step) {
      if (step == 45) write_text(run() / "checkpoints", "a file");
    });
    EXPECT_THAT(error_text<DataError>([&] { train_beside(in_background, config, 90, &sink); }),
                HasSubstr((run() / "checkpoints").string()));
    EXPECT_EQ(run_status(run()), RunStatus::kFailed);
    EXPECT_THAT(read_curve(run() / "metrics.csv", "eval_return_mean").x, testing::Contains(60.0))
        << "the evaluation before it counts";
  }
}

// tag, step and value of all that neither tells the time nor the end, of which viewers keep the first
std::vector<std::tuple<std::string, std::int64_t, float>> shown(const fs::path& run) {
  std::vector<std::tuple<std::string, std::int64_t, float>> all;
  for (const ReadEvent& event : read_events(run))
    if (!event.tag.starts_with("time/") && event.tag != "_hparams_/session_end_info")
      all.emplace_back(event.tag, event.step, event.value);
  std::sort(all.begin(), all.end());
  return all;
}

TEST_F(TrainingTest, EventsOfAResumedRunAreNeitherDoubledNorCut) {
  Config config = small_member();
  config.log.interval = 7;  // records lie across checkpoints
  config.checkpoint.interval = 20;
  config.checkpoint.keep = 9;
  EXPECT_EQ(train(config), ExitCode::kDone);
  const auto whole = shown(run());
  EXPECT_EQ(std::count_if(whole.begin(), whole.end(),
                          [](const auto& e) { return std::get<0>(e) == "replay/real_size"; }),
            90 / 7 + 1)
      << "and one at the end";
  // what was written beyond the checkpoint is void
  const std::string earlier = (run() / "checkpoints" / "step-000000040").string();
  EXPECT_EQ(train(config, 90, -1, {}, earlier), ExitCode::kDone);
  EXPECT_EQ(shown(run()), whole);
}

}  // namespace
}  // namespace mbrl
