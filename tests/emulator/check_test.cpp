// Tests for kernels/stages/check: a learner on the emulated GPU whose stages are compared with the CPU's as it
// trains, and an error planted in one kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "cuda/emulator/runtime.h"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "host/run/run.h"
#include "host/run/run_dir.h"
#include "kernels/stages/check/twin_check.h"
#include "kernels/stages/sac/sac_update.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"
#include "tests/support/gpu.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

std::set<std::string> stages_of(const TwinCheck& check) {
  std::set<std::string> names;
  for (const TwinCheck::Row& row : check.rows()) names.insert(row.stage);
  return names;
}

class CheckTest : public GpuTest {
 protected:
  void TearDown() override { emulator::plant_error("", {}); }

  std::unique_ptr<Learner> make(const Config& config) {
    streams_.gpu.set_check(&check_);
    return make_learner(config, streams_.gpu, {});
  }

  TwinStreams streams_;
  TwinCheck check_{streams_.pool};
};

TEST_F(CheckTest, EveryStageOfMbpoAgreesWithItsTwin) {
  Config config = small_mbpo("cartpole");
  const auto learner = make(config);
  while (learner->env_steps() < 70) learner->step();
  learner->evaluate(2);
  EXPECT_TRUE(check_.all_within()) << check_.table();
  EXPECT_THAT(stages_of(check_), testing::ElementsAre("ensemble holdout", "ensemble step", "policy",
                                                      "rollout", "sac"));
  for (const TwinCheck::Row& row : check_.rows()) EXPECT_GT(row.calls, 0) << row.what;
}

TEST_F(CheckTest, EveryStageOfPpoAgreesWithItsTwin) {
  const auto learner = make(small_ppo("cartpole"));
  while (learner->env_steps() < 60) learner->step();
  EXPECT_TRUE(check_.all_within()) << check_.table();
  EXPECT_THAT(stages_of(check_), testing::ElementsAre("gae", "ppo", "ppo policy"));
}

TEST_F(CheckTest, AnErrorPlantedInAKernelIsReportedWhereItIs) {
  const auto learner = make(small_mbpo("cartpole"));
  while (learner->exploring()) learner->step();
  // a weight of the actor, a hundredth off after each of its steps
  auto* weight = const_cast<float*>(learner->soft_actor_critic()->actor.parameters.value.data());
  emulator::plant_error("sac_update_actor", [weight] { weight[0] += 0.01f; });
  learner->step();
  EXPECT_FALSE(check_.all_within());
  for (const TwinCheck::Row& row : check_.rows())
    EXPECT_EQ(row.within(), !(row.stage == "sac" && row.what == "actor"))
        << row.stage << ", " << row.what << ": " << row.largest;
  EXPECT_THAT(check_.table(), testing::ContainsRegex("sac +actor .*DIFFERS"));
}

TEST_F(CheckTest, TheRunGoesOnWithTheResultsOfTheGpu) {
  const Config config = small_mbpo("cartpole");
  TwinStreams unchecked;
  const auto plain = make_learner(config, unchecked.gpu, {});
  const auto checked = make(config);
  for (const auto& learner : {plain.get(), checked.get()})
    while (learner->env_steps() < 65) learner->step();
  EXPECT_EQ(to_host(plain->soft_actor_critic()->actor.parameters.value),
            to_host(checked->soft_actor_critic()->actor.parameters.value));
  EXPECT_EQ(to_host(plain->model()->members.value), to_host(checked->model()->members.value));
}

// a whole run with --check cpu
void run_checked(const Config& config, const std::filesystem::path& runs) {
  run_training({.config = config,
                .device = "cuda:0",
                .num_threads = 1,
                .check = "cpu",
                .runs = runs,
                .command = {}});
}

// a run that diverges, with a folder where its table would lie: a full disk is not to be had
TEST_F(CheckTest, WhereTheTableCannotBeWrittenTheRunsOwnErrorIsStillTold) {
  Config config = small_mbpo("cartpole");
  config.sac.learning_rate = 1e18f;
  config.loop.num_env_steps = 200;
  config.eval.num_episodes = 1;
  const TemporaryDirectory folder;
  const std::filesystem::path table = RunDir::folder_of(folder.path(), config) / "check.txt";
  std::filesystem::create_directories(table / "in the way");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const std::string error = error_text<DivergedError>([&] { run_checked(config, folder.path()); });
  testing::internal::GetCapturedStdout();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(error, testing::HasSubstr(" at policy update "));
  EXPECT_THAT(said, testing::HasSubstr("\nwarning: " + table.string() + " cannot be written: "));
  EXPECT_TRUE(std::filesystem::exists(table.parent_path() / "summary.json"));
}

// the marker says that all else of the run is there
TEST_F(CheckTest, WithoutItsTableARunIsNotDone) {
  Config config = small_mbpo("cartpole");
  config.loop.num_env_steps = 60;
  config.eval.num_episodes = 1;
  const TemporaryDirectory folder;
  const std::filesystem::path run = RunDir::folder_of(folder.path(), config);
  std::filesystem::create_directories(run / "check.txt" / "in the way");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const std::string error = error_text<DataError>([&] { run_checked(config, folder.path()); });
  testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  EXPECT_THAT(error, testing::HasSubstr((run / "check.txt").string() + " cannot be written: "));
  EXPECT_FALSE(std::filesystem::exists(run / "summary.json"));
}

TEST(TwinCheckTest, KeepsTheLargestDifferenceAndItsCall) {
  ThreadPool pool(1);
  TwinCheck check(pool);
  const std::vector<float> two{3.0f, 4.0f}, off{3.0f, 4.5f}, bad{3.0f, NAN};
  check.compare("stage", "result", two, two, 1e-3);
  check.compare("stage", "result", off, two, 1e-3);
  check.compare("stage", "result", two, two, 1e-3);
  ASSERT_EQ(check.rows().size(), 1u);
  EXPECT_EQ(check.rows()[0].calls, 3);
  EXPECT_EQ(check.rows()[0].largest_call, 2);
  EXPECT_NEAR(check.rows()[0].largest, 0.1, 1e-9);
  EXPECT_FALSE(check.all_within());
  check.compare("stage", "result", bad, two, 1e-3);
  EXPECT_EQ(check.rows()[0].largest, std::numeric_limits<double>::infinity());
  EXPECT_THROW(check.compare("stage", "result", std::vector<float>{1.0f}, two, 1e-3), ShapeError);
}

}  // namespace
}  // namespace mbrl
