// Tests for host/tune/population.{h,cpp}: members do not notice each other, and one that fails
// fails alone.
#include "host/tune/population.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "host/run/signals.h"
#include "tests/support/configs.h"
#include "tests/support/matchers.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

class PopulationTest : public testing::Test {
 protected:
  void SetUp() override { clear_stop(); }
  void TearDown() override { clear_stop(); }

  static PopulationOptions options(int concurrent) {
    return {.device = "cpu",
            .precision = {},
            .concurrent = concurrent,
            .num_threads = 3,
            .config = small_member()};
  }
  // what a member does in a round
  using Action = std::function<void(std::int64_t until, OpenDevice&, ProgressSink&)>;
  class Scripted : public Member {
   public:
    Scripted(PopulationTest& test, int number, Action action)
        : test_(test),
          number_(number),
          label_("member " + std::to_string(number)),
          action_(std::move(action)) {}
    const std::string& label() const override { return label_; }
    void run(std::int64_t until, OpenDevice& device, ProgressSink& progress) override {
      action_(until, device, progress);
    }
    void copy_from(const Member& other) override {
      test_.copied_.push_back(other.label() + " -> " + label_);
    }
    void failed(const std::string& error) override {
      const std::lock_guard<std::mutex> lock(test_.mutex_);
      test_.failed_.push_back(std::to_string(number_) + ": " + error);
    }

   private:
    PopulationTest& test_;
    int number_;
    std::string label_;
    Action action_;
  };
  // notes its number
  Action noting(int i) {
    return [this, i](std::int64_t, OpenDevice&, ProgressSink&) {
      const std::lock_guard<std::mutex> lock(mutex_);
      ran_.push_back(i);
    };
  }
  std::vector<Action> five_noting() {
    std::vector<Action> actions;
    for (int i = 0; i < 5; ++i) actions.push_back(noting(i));
    return actions;
  }
  Population population(std::vector<Action> actions, PopulationOptions options) {
    std::vector<std::unique_ptr<Member>> members;
    for (std::size_t i = 0; i < actions.size(); ++i)
      members.push_back(
          std::make_unique<Scripted>(*this, static_cast<int>(i), std::move(actions[i])));
    return Population(std::move(members), std::move(options), "test");
  }

  std::mutex mutex_;
  std::vector<int> ran_;
  std::vector<std::string> failed_, copied_;
};

TEST_F(PopulationTest, ResultsDoNotDependOnHowManyRunAtATime) {
  const auto train = [&](int concurrent) {
    std::vector<std::string> weights(5);
    std::vector<Action> actions;
    for (std::uint32_t i = 0; i < 5; ++i)
      actions.push_back([&weights, i](std::int64_t, OpenDevice& device, ProgressSink&) {
        const auto learner = make_learner(small_member(), device.stream, {}, i);
        while (learner->env_steps() < 40) learner->step();
        StateWriter saved;
        learner->visit(saved);
        for (const TensorRef& t : saved.weight_tensors)
          weights[i].append(static_cast<const char*>(t.data), num_bytes(t));
      });
    EXPECT_TRUE(population(actions, options(concurrent)).run());
    return weights;
  };
  const std::vector<std::string> one = train(1);
  EXPECT_EQ(std::set<std::string>(one.begin(), one.end()).size(), 5u) << "members differ";
  EXPECT_GT(one[0].size(), 1000u);
  EXPECT_TRUE(train(2) == one);
  EXPECT_TRUE(train(3) == one);
  EXPECT_TRUE(train(9) == one);
  EXPECT_TRUE(failed_.empty());
}

TEST_F(PopulationTest, PlannersMeetInOnePlaceWhereTheyAreToldTo) {
  for (const std::string how : {"auto", "alone", "together"}) {
    std::set<const PlanMeeting*> meetings;
    const Action noting_meeting = [&](std::int64_t, OpenDevice& device, ProgressSink&) {
      const std::lock_guard<std::mutex> lock(mutex_);
      meetings.insert(device.plans);
    };
    PopulationOptions three = options(3);
    three.precision.plans = how;
    population(std::vector<Action>(3, noting_meeting), three).run();
    EXPECT_EQ(meetings.size(), 1u);
    // on a CPU waiting for others gains nothing
    EXPECT_EQ(meetings.contains(nullptr), how != "together") << how;
  }
}

TEST_F(PopulationTest, AsManyRunAtATimeAsWereAskedFor) {
  for (const int concurrent : {1, 3}) {
    int running = 0, most = 0;
    const Action busy = [&](std::int64_t, OpenDevice&, ProgressSink&) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        most = std::max(most, ++running);
      }
      // the first ones wait for as many as may be there, and a moment longer for one too many
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      const auto all_here = [&] {
        const std::lock_guard<std::mutex> lock(mutex_);
        return most >= concurrent;
      };
      while (!all_here() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      const std::lock_guard<std::mutex> lock(mutex_);
      --running;
    };
    population(std::vector<Action>(6, busy), options(concurrent)).run();
    EXPECT_EQ(most, concurrent);
  }
}

TEST_F(PopulationTest, EachRoundTakesAllMembersToTheSameStep) {
  std::vector<std::pair<int, std::int64_t>> calls;
  std::vector<Action> actions;
  for (int i = 0; i < 3; ++i)
    actions.push_back([&calls, this, i](std::int64_t until, OpenDevice&, ProgressSink&) {
      const std::lock_guard<std::mutex> lock(mutex_);
      calls.emplace_back(i, until);
    });
  Population three = population(actions, options(1));
  EXPECT_TRUE(three.run(10));
  EXPECT_TRUE(three.run(20));
  EXPECT_TRUE(three.run());
  EXPECT_THAT(calls,
              testing::ElementsAre(testing::Pair(0, 10), testing::Pair(1, 10), testing::Pair(2, 10),
                                   testing::Pair(0, 20), testing::Pair(1, 20), testing::Pair(2, 20),
                                   testing::Pair(0, kToTheEnd), testing::Pair(1, kToTheEnd),
                                   testing::Pair(2, kToTheEnd)));
}

TEST_F(PopulationTest, AMemberThatFailsIsReportedAndTheOthersGoOn) {
  for (const int concurrent : {1, 2}) {
    ran_.clear();
    failed_.clear();
    std::vector<Action> actions = five_noting();
    actions[1] = [](std::int64_t, OpenDevice&, ProgressSink&) { throw DivergedError("bad luck"); };
    Population five = population(actions, options(concurrent));
    EXPECT_TRUE(five.run(10));
    EXPECT_THAT(ran_, testing::UnorderedElementsAre(0, 2, 3, 4));
    EXPECT_THAT(failed_, testing::UnorderedElementsAre("1: bad luck"));
    EXPECT_TRUE(five.has_failed(1));
    EXPECT_FALSE(five.has_failed(0));
    // it takes no part in later rounds
    ran_.clear();
    EXPECT_TRUE(five.run(20));
    EXPECT_THAT(ran_, testing::UnorderedElementsAre(0, 2, 3, 4));
    EXPECT_EQ(failed_.size(), 1u);
  }
}

TEST_F(PopulationTest, ACopyGoesOneWayAndMakesAFailedMemberWholeAgain) {
  int luck = 0;
  std::vector<Action> actions = five_noting();
  actions[1] = [&](std::int64_t, OpenDevice&, ProgressSink&) {
    if (luck++ == 0) throw DivergedError("bad luck");
    ran_.push_back(1);
  };
  Population five = population(actions, options(1));
  five.run(10);
  EXPECT_EQ(error_text<DataError>([&] { five.copy(1, 2); }),
            "member 1 has failed: there is nothing to copy.");
  five.copy(3, 3);
  five.copy(3, 1);
  EXPECT_THAT(copied_, testing::ElementsAre("member 3 -> member 1"));
  EXPECT_FALSE(five.has_failed(1));
  ran_.clear();
  five.run(20);
  EXPECT_EQ(ran_, (std::vector<int>{0, 1, 2, 3, 4}));
}

// a full disk or a lost device would end the next member as well
TEST_F(PopulationTest, AnyOtherErrorStopsTheWholeAndComesOut) {
  std::vector<Action> actions = five_noting();
  actions[1] = [](std::int64_t, OpenDevice&, ProgressSink&) {
    throw DataError("the disk is full");
  };
  EXPECT_THROW(population(actions, options(1)).run(), DataError);
  EXPECT_EQ(ran_, (std::vector<int>{0}));
  EXPECT_TRUE(failed_.empty());
  EXPECT_TRUE(stop_requested());
}

TEST_F(PopulationTest, AfterAStopNoOtherStarts) {
  std::vector<Action> actions = five_noting();
  actions[2] = [](std::int64_t, OpenDevice&, ProgressSink&) { request_stop(); };
  EXPECT_FALSE(population(actions, options(1)).run());
  EXPECT_EQ(ran_, (std::vector<int>{0, 1}));
  EXPECT_TRUE(failed_.empty());
}

TEST_F(PopulationTest, ADeviceThatCannotBeOpenedIsTheCallersError) {
  PopulationOptions wrong = options(2);
  wrong.device = "cuda:99";
  EXPECT_THROW(population({noting(0), noting(1)}, wrong).run(), Error);
  EXPECT_TRUE(ran_.empty());
  EXPECT_TRUE(failed_.empty());
}

TEST(ConcurrentLearnersTest, AutoIsOnePerThreadAndANumberIsItself) {
  Config config = small_member();
  config.loop.replay_capacity = 1000;
  const EnvSpec env = make_env(config.env)->spec();
  EXPECT_EQ(concurrent_learners(config, env, {}, 3), 3);
  config.population.concurrent = "5";
  EXPECT_EQ(concurrent_learners(config, env, {}, 3), 5);
}

TEST(ConcurrentLearnersTest, SaysHowManyFitIfFewerThanWereAskedFor) {
  Config config = small_member();
  config.rollout.batch_size =
      1000000;  // hundreds of megabytes each, thousands of which no machine has
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

}  // namespace
}  // namespace mbrl
