// Tests for host/tune/population.{h,cpp}: members do not notice each other, and bad luck stays with
// whom it meets.
#include "host/tune/population.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "host/run/signals.h"
#include "kernels/data/transition.h"
#include "tests/support/configs.h"
#include "tests/support/matchers.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

Config small_config() {
  Config c = tiny_mbpo("pendulum");
  c.rollout.batch_size = 20;
  c.sac.batch_size = 16;
  c.sac.updates_per_step = 2;
  c.loop.num_exploration_steps = 20;
  c.env.max_episode_steps = 10;
  return c;
}

class PopulationTest : public testing::Test {
 protected:
  void SetUp() override { clear_stop(); }
  void TearDown() override { clear_stop(); }

  static PopulationOptions options(int concurrent) {
    return {.device = "cpu",
            .precision = {},
            .concurrent = concurrent,
            .num_threads = 3,
            .config = small_config()};
  }
  // a member that notes its number
  Member noting(int i) {
    return {.label = "member " + std::to_string(i),
            .run =
                [this, i](OpenDevice&, ProgressSink&) {
                  const std::lock_guard<std::mutex> lock(mutex_);
                  ran_.push_back(i);
                },
            .failed =
                [this, i](const std::string& error) {
                  const std::lock_guard<std::mutex> lock(mutex_);
                  failed_.push_back(std::to_string(i) + ": " + error);
                }};
  }

  std::mutex mutex_;
  std::vector<int> ran_;
  std::vector<std::string> failed_;
};

TEST_F(PopulationTest, ResultsDoNotDependOnHowManyRunAtATime) {
  const auto train = [](int concurrent) {
    std::vector<std::string> weights(5);
    std::vector<Member> members;
    for (std::uint32_t i = 0; i < 5; ++i)
      members.push_back({.label = "",
                         .run =
                             [&weights, i](OpenDevice& device, ProgressSink&) {
                               const auto learner =
                                   make_learner(small_config(), device.stream, {}, i);
                               while (learner->env_steps() < 40) learner->step();
                               for (const TensorRef& t : learner->weight_tensors())
                                 weights[i].append(static_cast<const char*>(t.data), num_bytes(t));
                             },
                         .failed = [](const std::string& error) { ADD_FAILURE() << error; }});
    run_population(members, options(concurrent), "test");
    return weights;
  };
  const std::vector<std::string> one = train(1);
  EXPECT_EQ(std::set<std::string>(one.begin(), one.end()).size(), 5u) << "members differ";
  EXPECT_GT(one[0].size(), 1000u);
  EXPECT_TRUE(train(2) == one);
  EXPECT_TRUE(train(3) == one);
  EXPECT_TRUE(train(9) == one);
}

TEST_F(PopulationTest, AsManyRunAtATimeAsWereAskedFor) {
  for (const int concurrent : {1, 3}) {
    int running = 0, most = 0;
    std::vector<Member> members;
    for (int i = 0; i < 6; ++i)
      members.push_back({.label = "",
                         .run =
                             [&](OpenDevice&, ProgressSink&) {
                               {
                                 const std::lock_guard<std::mutex> lock(mutex_);
                                 most = std::max(most, ++running);
                               }
                               std::this_thread::sleep_for(std::chrono::milliseconds(50));
                               const std::lock_guard<std::mutex> lock(mutex_);
                               --running;
                             },
                         .failed = [](const std::string& error) { ADD_FAILURE() << error; }});
    run_population(members, options(concurrent), "test");
    EXPECT_EQ(most, concurrent);
  }
}

TEST_F(PopulationTest, AMemberThatFailsIsReportedAndTheOthersGoOn) {
  for (const int concurrent : {1, 2}) {
    ran_.clear();
    failed_.clear();
    std::vector<Member> members;
    for (int i = 0; i < 5; ++i) members.push_back(noting(i));
    members[1].run = [](OpenDevice&, ProgressSink&) { throw DivergedError("bad luck"); };
    run_population(members, options(concurrent), "test");
    EXPECT_THAT(ran_, testing::UnorderedElementsAre(0, 2, 3, 4));
    EXPECT_THAT(failed_, testing::UnorderedElementsAre("1: bad luck"));
  }
}

// a full disk or a lost device would end the next member as well
TEST_F(PopulationTest, AnyOtherErrorStopsTheWholeAndComesOut) {
  std::vector<Member> members;
  for (int i = 0; i < 5; ++i) members.push_back(noting(i));
  members[1].run = [](OpenDevice&, ProgressSink&) { throw DataError("the disk is full"); };
  EXPECT_THROW(run_population(members, options(1), "test"), DataError);
  EXPECT_EQ(ran_, (std::vector<int>{0}));
  EXPECT_TRUE(failed_.empty());
  EXPECT_TRUE(stop_requested());
  clear_stop();
}

TEST_F(PopulationTest, AfterAStopNoOtherStarts) {
  std::vector<Member> members;
  for (int i = 0; i < 5; ++i) members.push_back(noting(i));
  members[2].run = [](OpenDevice&, ProgressSink&) { request_stop(); };
  run_population(members, options(1), "test");
  EXPECT_EQ(ran_, (std::vector<int>{0, 1}));
  EXPECT_TRUE(failed_.empty());
}

TEST_F(PopulationTest, ADeviceThatCannotBeOpenedIsTheCallersError) {
  PopulationOptions wrong = options(2);
  wrong.device = "cuda:99";
  EXPECT_THROW(run_population({noting(0), noting(1)}, wrong, "test"), Error);
  EXPECT_TRUE(ran_.empty());
  EXPECT_TRUE(failed_.empty());
}

TEST(ConcurrentLearnersTest, AutoIsOnePerThreadAndANumberIsItself) {
  Config config = small_config();
  config.loop.replay_capacity = 1000;
  const EnvSpec env = make_env(config.env)->spec();
  EXPECT_EQ(concurrent_learners(config, env, {}, 3), 3);
  config.population.concurrent = "5";
  EXPECT_EQ(concurrent_learners(config, env, {}, 3), 5);
}

TEST(ConcurrentLearnersTest, SaysHowManyFitIfFewerThanWereAskedFor) {
  Config config = small_config();
  config.rollout.batch_size = 1000000;  // about a gigabyte each, thousands of which no machine has
  config.rollout.schedule = {0, 1, 1, 1};
  config.population.concurrent = "9999";
  const EnvSpec env = make_env(config.env)->spec();
  const std::string text =
      error_text<DeviceError>([&] { concurrent_learners(config, env, {}, 2); });
  EXPECT_THAT(text,
              testing::MatchesRegex(
                  "population.concurrent = 9999: 9999 learners of about [0-9.]+ GiB each do not "
                  "fit into the [0-9.]+ GiB that are free on cpu; ([0-9]+ do. Set "
                  "population.concurrent=[0-9]+, or l|not even one does. L)ower "
                  "loop.replay_capacity, rollout.batch_size or rollout.retain_epochs."));

  config.rollout.retain_epochs = 1000000;
  config.population.concurrent = "auto";
  EXPECT_THAT(error_text<DeviceError>([&] { concurrent_learners(config, env, {}, 2); }),
              testing::HasSubstr("not even one does. Lower loop.replay_capacity"));
}

TEST(LearnerMemoryTest, CountsRealAndImaginedRecordsByHand) {
  Config config = small_config();
  config.loop.num_env_steps = 3000;
  config.loop.replay_capacity = 1000000;
  const EnvSpec env = make_env(config.env)->spec();
  const std::size_t record =
      sizeof(float) *
      static_cast<std::size_t>(TransitionLayout{env.observation_size, env.action_size}.pitch());
  const auto learner_bytes = [&](const Config& c, const EnvSpec& e, bool on_gpu) {
    return find_algorithm("mbpo").memory(c, e, on_gpu);
  };
  const std::size_t usual = learner_bytes(config, env, false);
  config.loop.num_env_steps = 4000;
  // a record, and two row numbers for each of the two members
  EXPECT_EQ(learner_bytes(config, env, false) - usual, 1000 * (record + 2 * 2 * 4));
  EXPECT_GT(learner_bytes(config, env, true), 1000000 * record) << "a GPU's ring is whole";
  config.loop.num_env_steps = 3000;
  // 4 fits an epoch of 20 rows and 15 steps, in two buffers; again as many with a second epoch
  config.rollout.retain_epochs = 2;
  EXPECT_EQ(learner_bytes(config, env, false) - usual, 2 * 4 * 20 * 15 * record);
}

TEST(PopulationProgressTest, ShowsWhatRunsAndHowManyAreDone) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  {
    PopulationProgress progress("stage 2", 3, fds[1], /*terminal=*/false, /*interval_s=*/0.0);
    EXPECT_EQ(progress.text(), "stage 2 0/3");
    const auto first = progress.member("episode 7");
    auto second = progress.member("episode 8");
    first->set_stage("explore");
    second->set_stage("sac");
    second->update({.env_steps = 30, .total_steps = 120, .updates = 5, .last_return = -12.34});
    first->update({.env_steps = 0, .total_steps = 120, .updates = 0, .last_return = std::nan("")});
    EXPECT_EQ(progress.text(), "stage 2 0/3 | episode 7 explore 0 % - | episode 8 sac 25 % -12.3");
    {
      const auto third = progress.member("episode 9");
      EXPECT_EQ(progress.text(), "stage 2 0/3 | 3 run at 0 to 25 %, returns -12.3 to -12.3");
    }
    second.reset();
    EXPECT_EQ(progress.text(), "stage 2 2/3 | episode 7 explore 0 % -");
  }
  close(fds[1]);
  std::string written;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(fds[0], buffer, sizeof(buffer))) > 0;)
    written.append(buffer, static_cast<std::size_t>(n));
  close(fds[0]);
  EXPECT_THAT(written, testing::HasSubstr("stage 2 2/3 | episode 7 explore 0 % -\n"));
  EXPECT_THAT(written, testing::Not(testing::HasSubstr("\r"))) << "no terminal";
}

TEST(PopulationProgressTest, WithoutATerminalALineComesOnlyEveryInterval) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  {
    PopulationProgress progress("stage 2", 3, fds[1], /*terminal=*/false, /*interval_s=*/1e9);
    const auto member = progress.member("episode 7");
    for (int i = 0; i < 100; ++i) member->update({});
  }
  close(fds[1]);
  char byte;
  EXPECT_EQ(read(fds[0], &byte, 1), 0);
  close(fds[0]);
}

}  // namespace
}  // namespace mbrl
