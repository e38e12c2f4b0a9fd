// Tests for host/tune/training_member.{h,cpp}: rounds and copies of real learners, through files.
#include "host/tune/training_member.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "host/algo/learner.h"
#include "host/io/checkpoint.h"
#include "host/run/signals.h"
#include "tests/support/configs.h"
#include "tests/support/matchers.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

class TrainingMemberTest : public testing::Test {
 protected:
  void SetUp() override { clear_stop(); }
  void TearDown() override { clear_stop(); }

  fs::path folder_of(const std::string& population, int i) const {
    return folder_.path() / population / std::to_string(i);
  }
  TrainingMemberOptions options_of(const std::string& population, int i) const {
    return {.label = "member " + std::to_string(i),
            .folder = folder_of(population, i),
            .config = small_member(),
            .learner_index = static_cast<std::uint32_t>(i)};
  }
  Population make(const std::string& population, int size = 2) const {
    std::vector<std::unique_ptr<Member>> members;
    for (int i = 0; i < size; ++i)
      members.push_back(std::make_unique<TrainingMember>(options_of(population, i)));
    return wrap(std::move(members));
  }
  static Population wrap(std::vector<std::unique_ptr<Member>> members) {
    return Population(std::move(members),
                      {.device = "cpu",
                       .precision = {},
                       .concurrent = 2,
                       .num_threads = 2,
                       .config = small_member()},
                      "test");
  }
  // everything a member has learned: networks with their moments, replays, counters
  std::map<std::string, std::string> learned(const std::string& population, int i) const {
    const auto checkpoint = latest_checkpoint(folder_of(population, i) / "checkpoints");
    if (!checkpoint) return {};
    const auto state = nlohmann::json::parse(file_text(*checkpoint / "state.json"));
    return {{"name", checkpoint->filename().string()},
            {"weights", file_text(*checkpoint / "weights.safetensors")},
            {"replay", file_text(*checkpoint / "replay.safetensors")},
            {"state", state.at("learner").dump()}};
  }
  // metrics.csv without the wall time, its third column
  std::string table(const std::string& population, int i) const {
    std::stringstream lines(file_text(folder_of(population, i) / "metrics.csv"));
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
      const std::size_t second = line.find(',', line.find(',') + 1);
      kept += line.substr(0, second) + line.substr(line.find(',', second + 1)) + "\n";
    }
    return kept;
  }
  std::string status(const std::string& population, int i) const {
    return nlohmann::json::parse(file_text(folder_of(population, i) / "summary.json")).at("status");
  }

  TemporaryDirectory folder_;
};

TEST_F(TrainingMemberTest, RoundsEqualOneRunBitForBit) {
  EXPECT_TRUE(make("whole").run());
  Population rounds = make("rounds");
  for (const std::int64_t until : {13, 14, 50, 50}) {
    EXPECT_TRUE(rounds.run(until));
    EXPECT_EQ(learned("rounds", 1).at("name"), "step-0000000" + std::to_string(until));
    EXPECT_EQ(status("rounds", 0), "paused");
  }
  EXPECT_TRUE(rounds.run());
  for (const int i : {0, 1}) {
    EXPECT_EQ(learned("whole", i).at("name"), "step-000000090");
    EXPECT_TRUE(learned("rounds", i) == learned("whole", i)) << i;
    EXPECT_EQ(table("rounds", i), table("whole", i));
    EXPECT_EQ(file_text(folder_of("rounds", i) / "episodes.csv"),
              file_text(folder_of("whole", i) / "episodes.csv"));
    EXPECT_EQ(status("rounds", i), "done");
  }
  EXPECT_NE(learned("whole", 0).at("weights"), learned("whole", 1).at("weights"));
  // four evaluations: none more at the end of a round
  const std::string rows = table("rounds", 0);
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), 1 + 4) << rows;
}

TEST_F(TrainingMemberTest, ACopyHoldsAllThatWasLearnedAndGoesOnEqually) {
  // members with the same random draws, of which the second begins with another's past
  std::vector<std::unique_ptr<Member>> members;
  for (const int i : {0, 1, 2}) {
    TrainingMemberOptions options = options_of("twins", i);
    options.learner_index = i == 2 ? 5 : 0;
    members.push_back(std::make_unique<TrainingMember>(options));
  }
  Population twins = wrap(std::move(members));
  twins.run(50);
  ASSERT_NE(learned("twins", 2).at("weights"), learned("twins", 0).at("weights"));
  ASSERT_NE(learned("twins", 2).at("replay"), learned("twins", 0).at("replay"));
  const auto source = learned("twins", 2);
  twins.copy(2, 1);
  EXPECT_TRUE(learned("twins", 1) == source);
  EXPECT_TRUE(learned("twins", 2) == source) << "the source stays as it is";
  twins.copy(2, 0);
  twins.run();
  EXPECT_TRUE(learned("twins", 1) == learned("twins", 0)) << "the same draws from the same state";
  EXPECT_NE(learned("twins", 1).at("weights"), learned("twins", 2).at("weights"))
      << "its own draws";
  EXPECT_NE(learned("twins", 1).at("weights"), source.at("weights"));
}

// At an env step: asks for a stop, or waits for one.
class AtStep : public Schedule {
 public:
  AtStep(std::int64_t step, bool asks) : step_(step), asks_(asks) {}
  bool before_step(Learner& learner) override {
    if (learner.env_steps() != step_) return true;
    if (asks_) request_stop();
    while (!stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return true;
  }
  void on_evaluation(const Learner&, double) override {}
  void open(const fs::path&, std::int64_t) override {}
  void sync() override {}
  nlohmann::json state() const override { return nullptr; }
  void set_state(const nlohmann::json&) override {}

 private:
  std::int64_t step_;
  bool asks_;
};

TEST_F(TrainingMemberTest, ACompleteMemberThatTakesOverAnEarlierOneGoesOnToTheEnd) {
  const auto one = [&](int i, Member*& member) {
    std::vector<std::unique_ptr<Member>> members;
    members.push_back(std::make_unique<TrainingMember>(options_of("late", i)));
    member = members[0].get();
    return wrap(std::move(members));
  };
  Member *complete = nullptr, *earlier = nullptr;
  Population first = one(0, complete), second = one(1, earlier);
  EXPECT_TRUE(first.run());
  EXPECT_TRUE(second.run(50));
  complete->copy_from(*earlier);
  EXPECT_EQ(learned("late", 0).at("name"), "step-000000050");
  EXPECT_TRUE(first.run());
  EXPECT_EQ(learned("late", 0).at("name"), "step-000000090");
}

TEST_F(TrainingMemberTest, AStopAfterACopyAndANewStartChangeNothing) {
  // a population whose members ask for a stop at a step
  const auto stopping_at = [this](const std::string& population, std::int64_t step) {
    std::vector<std::unique_ptr<Member>> members;
    for (const int i : {0, 1}) {
      TrainingMemberOptions options = options_of(population, i);
      options.make_schedule = [step](OpenDevice&) {
        return std::make_unique<AtStep>(step, /*asks=*/true);
      };
      members.push_back(std::make_unique<TrainingMember>(options));
    }
    return wrap(std::move(members));
  };
  constexpr std::int64_t kNever = -1;
  Population whole = stopping_at("whole", kNever);
  EXPECT_TRUE(whole.run(50));
  whole.copy(1, 0);
  EXPECT_TRUE(whole.run());
  {
    Population first = stopping_at("stopped", kNever);
    EXPECT_TRUE(first.run(50));
    first.copy(1, 0);
  }
  // in the middle of the second round
  EXPECT_FALSE(stopping_at("stopped", 61).run());
  for (const int i : {0, 1}) EXPECT_NE(status("stopped", i), "done");
  clear_stop();
  EXPECT_TRUE(stopping_at("stopped", kNever).run());
  for (const int i : {0, 1}) EXPECT_TRUE(learned("stopped", i) == learned("whole", i)) << i;
}

TEST_F(TrainingMemberTest, AnErrorOfOneStopsTheOthersWithACheckpoint) {
  std::atomic<bool> begun{false};
  TrainingMemberOptions whole = options_of("population", 0), broken = options_of("population", 1);
  whole.make_schedule = [&](OpenDevice&) {
    begun = true;
    return std::make_unique<AtStep>(30, /*asks=*/false);
  };
  broken.make_schedule = [&](OpenDevice&) -> std::unique_ptr<Schedule> {
    while (!begun && !stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    throw DataError("the disk is full");
  };
  std::vector<std::unique_ptr<Member>> members;
  members.push_back(std::make_unique<TrainingMember>(whole));
  members.push_back(std::make_unique<TrainingMember>(broken));
  Population population = wrap(std::move(members));
  EXPECT_EQ(error_text<DataError>([&] { population.run(); }), "the disk is full");
  EXPECT_EQ(status("population", 0), "stopped");
  EXPECT_FALSE(learned("population", 0).empty());
}

TEST_F(TrainingMemberTest, OneWithoutACheckpointCannotBeCopied) {
  Population population = make("fresh");
  EXPECT_EQ(error_text<DataError>([&] { population.copy(0, 1); }),
            "member 0 has no checkpoint that member 1 could take over.");
}

TEST_F(TrainingMemberTest, KeepsTheReturnOfTheLastEvaluation) {
  ThreadPool pool(1);
  OpenDevice device("cpu", {}, pool);
  ProgressSink progress;
  TrainingMember member(options_of("single", 0)), other(options_of("single", 1));
  EXPECT_TRUE(std::isnan(member.final_return()));
  member.run(50, device, progress);
  EXPECT_LT(member.final_return(), 0.0) << "a pendulum's return";
  other.run(50, device, progress);
  other.copy_from(member);
  EXPECT_EQ(other.final_return(), member.final_return());
}

TEST_F(TrainingMemberTest, CheckpointsGoAtTheEndIfTheyAreNotToStay) {
  ThreadPool pool(1);
  OpenDevice device("cpu", {}, pool);
  ProgressSink progress;
  TrainingMemberOptions options = options_of("single", 0);
  options.keep_checkpoints = false;
  TrainingMember member(options);
  member.run(50, device, progress);
  EXPECT_TRUE(fs::exists(options.folder / "checkpoints"));
  member.run(kToTheEnd, device, progress);
  EXPECT_FALSE(fs::exists(options.folder / "checkpoints"));
  const std::string rows = table("single", 0);
  member.run(kToTheEnd, device, progress);
  EXPECT_EQ(table("single", 0), rows) << "it does not start over";

  // a round that ends where the run does is its last
  TrainingMemberOptions rounds = options_of("rounds", 0);
  rounds.keep_checkpoints = false;
  TrainingMember other(rounds);
  other.run(rounds.config.loop.num_env_steps, device, progress);
  EXPECT_FALSE(fs::exists(rounds.folder / "checkpoints"));
}

}  // namespace
}  // namespace mbrl
