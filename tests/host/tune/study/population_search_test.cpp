// Tests for host/tune/study/population_search.{h,cpp}: populations of real learners, and how one takes
// over the state of another. What is known to go wrong elsewhere is tested here by name: values that a
// restored checkpoint overwrites, parents that are deleted, stale checkpoints.
#include "host/tune/study/population_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/io/checkpoint.h"
#include "host/io/curves.h"
#include "host/run/signals.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace {

std::atomic<int> num_disk_waits{0};

}  // namespace

// in place of the system library's: the same, counted
extern "C" int fsync(int fd) {
  ++num_disk_waits;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class PopulationSearchTest : public testing::Test {
 protected:
  void SetUp() override { clear_stop(); }
  void TearDown() override { clear_stop(); }

  // a member of 90 steps in episodes of 10; evaluated every 10 after 20 of exploration
  static Config config_of(const std::string& algorithm) {
    Config c = small_member();
    c.algorithm = algorithm;
    c.eval.interval = 10;
    c.eval.num_episodes = 1;
    c.loop.real_ratio = 0.5;
    c.ppo.num_envs = 2;
    c.ppo.steps_per_update = 5;
    c.ppo.batch_size = 5;
    c.ppo.hidden_sizes = {8};
    const std::string key = algorithm == "ppo"   ? "ppo.learning_rate"
                            : algorithm == "sac" ? "sac.learning_rate"
                                                 : "model.learning_rate";
    c.tune.space.dimensions = {{.key = key, .low = 1e-4, .high = 1e-2, .log = true}};
    // beyond what the planner has memory for without a word, and a key of a list
    if (algorithm == "pets") {
      c.tune.space.dimensions.push_back(
          {.key = "planner.horizon", .low = 2, .high = 6, .integer = true});
      c.tune.space.dimensions.push_back(
          {.key = "model.weight_decay", .low = 1e-6, .high = 1e-2, .log = true});
    }
    c.tune.method = "pbt";
    c.tune.trials = 4;
    c.pbt.first = 40;
    c.pbt.interval = 20;
    // two of four
    c.pbt.truncation = 0.5;
    return c;
  }
  fs::path folder(const std::string& study) const { return folder_.path() / study; }
  static Config base_of(Config config) {
    config.tune = {};
    config.pbt = {};
    return config;
  }
  std::unique_ptr<Journal> journal(const std::string& study, const Config& config) {
    fs::create_directories(folder(study));
    auto journal = std::make_unique<Journal>(folder(study) / "journal.log", "x",
                                             nlohmann::ordered_json::object(), config.tune.space,
                                             [](const std::string&) {});
    if (journal->trials().empty()) {
      std::vector<TrialValues> first;
      for (int m = 0; m < config.tune.trials; ++m)
        first.push_back(draw_trial(config.tune.space, 0, static_cast<std::uint64_t>(m)));
      journal->add(first, 0);
    }
    return journal;
  }
  static std::vector<std::size_t> members_of(const Config& config) {
    std::vector<std::size_t> all;
    for (int m = 0; m < config.tune.trials; ++m) all.push_back(static_cast<std::size_t>(m));
    return all;
  }
  bool search(const std::string& study, const Config& config, const std::string& concurrent = "2") {
    const auto journal = this->journal(study, config);
    Effort effort;
    const bool ended =
        PopulationSearch({.config = config,
                          .base = base_of(config),
                          .folder = folder(study),
                          .command = {"x"},
                          .device = "cpu",
                          .concurrent = concurrent,
                          .num_threads = 2,
                          .warn = [](const std::string& text) { ADD_FAILURE() << text; }},
                         *journal, members_of(config), effort)
            .run();
    EXPECT_GT(effort.own_s, 0.0);
    EXPECT_EQ(effort.own_share() < 1.0, effort.training_s > 0.0);
    return ended;
  }
  PopulationRecord record(const std::string& study, const Config& config) {
    return read_population(config, *journal(study, config), members_of(config));
  }
  TemporaryDirectory folder_;
  int number_ = 0;  // of studies
};

TEST_F(PopulationSearchTest, EveryAlgorithmsMembersLearnFromEachOther) {
  for (const std::string algorithm : {"pets", "mbpo", "sac", "ppo"})
    for (const std::string copy : {"all", "weights", "hyperparameters"}) {
      if (copy == "hyperparameters" && algorithm != "sac") continue;  // nothing but values moves
      Config config = config_of(algorithm);
      config.pbt.copy = copy;
      const std::string name = algorithm + "-" + copy;
      ASSERT_TRUE(search(name, config)) << name;
      const auto journal = this->journal(name, config);
      int num_copies = 0, num_of_values = 0;
      for (const Trial& trial : journal->trials()) {
        EXPECT_EQ(trial.state, TrialState::kComplete) << name << ": " << trial.error;
        for (const auto& one : trial.attributes.at("lineage"))
          ++(one.contains("values_only") ? num_of_values : num_copies);
        EXPECT_FALSE(trial.attributes.at("returns").empty()) << name;
      }
      EXPECT_EQ(num_copies > 0, copy != "hyperparameters") << name;
      EXPECT_EQ(num_of_values > 0, copy == "hyperparameters") << name;
      // the best member's last state stays, all others go
      int num_kept = 0;
      for (int m = 0; m < 4; ++m)
        num_kept +=
            fs::exists(folder(name) / "members" / ("000" + std::to_string(m)) / "checkpoints");
      EXPECT_EQ(num_kept, 1) << name;
      EXPECT_TRUE(copy == "hyperparameters" || fs::is_empty(folder(name) / "states")) << name;
      EXPECT_FALSE(fs::exists(folder(name) / "discards")) << name << ": all are deleted by now";
    }
}

// values that a restored checkpoint overwrites: a copy brings its source's values along, and those that
// were decided have to be in force all the same
TEST_F(PopulationSearchTest, AMembersTableOfValuesIsWhatWasDecided) {
  const Config config = config_of("sac");
  ASSERT_TRUE(search("s", config));
  const PopulationRecord record = this->record("s", config);
  int num_changes = 0;
  for (int m = 0; m < 4; ++m) {
    const Curve table =
        read_curve(folder("s") / "members" / ("000" + std::to_string(m)) / "schedule.csv",
                   "sac.learning_rate");
    std::vector<std::pair<double, float>> found, decided;
    for (std::size_t i = 0; i < table.x.size(); ++i)
      found.emplace_back(table.x[i], static_cast<float>(table.y[i]));
    for (const int id : record.own(m)) {
      const auto value = record.slice(id).values[0].get<float>();
      if (decided.empty() || decided.back().second != value)
        decided.emplace_back(static_cast<double>(record.slice(id).begin), value);
    }
    EXPECT_EQ(found, decided) << m;
    num_changes += static_cast<int>(decided.size()) - 1;
  }
  EXPECT_GT(num_changes, 0);
}

TEST_F(PopulationSearchTest, TheResultDoesNotDependOnHowManyTrainAtATime) {
  const Config config = config_of("sac");
  ASSERT_TRUE(search("one", config, "1"));
  ASSERT_TRUE(search("four", config, "4"));
  EXPECT_EQ(journal("one", config)->exchanges(), journal("four", config)->exchanges());
}

TEST_F(PopulationSearchTest, NobodyWaitsInTheAsynchronousMode) {
  for (const std::string method : {"pbt", "pbt_bt"}) {
    Config config = config_of("sac");
    config.tune.method = method;
    config.pbt.mode = "asynchronous";
    config.pbt.backtrack_interval = 2;
    config.pbt.tolerance = 0.0;
    ASSERT_TRUE(search(method, config, "3")) << method;
    // the slices that there are for all, each told on a line of its own
    EXPECT_LE(record(method, config).slices().size(), 4u * 4u) << method;
    const auto journal = this->journal(method, config);
    for (const auto& line : journal->exchanges()) EXPECT_EQ(line.at("ended").size(), 1u);
    for (const Trial& trial : journal->trials())
      EXPECT_EQ(trial.state, TrialState::kComplete) << method;
  }
}

TEST_F(PopulationSearchTest, ASearchThatIsOverDoesNothing) {
  const Config config = config_of("sac");
  ASSERT_TRUE(search("s", config));
  const std::string before = file_text(folder("s") / "journal.log");
  ASSERT_TRUE(search("s", config));
  EXPECT_EQ(file_text(folder("s") / "journal.log"), before);
}

TEST_F(PopulationSearchTest, ALineOfTheJournalThatCannotBeIsRefusedWithTheFile) {
  const Config config = config_of("sac");
  journal("s", config)
      ->add_exchange(
          {{"ended", nlohmann::ordered_json::array()},
           {"exchanged",
            {{{"member", 0}, {"from", 7}, {"values", nlohmann::ordered_json::object()}}}}},
          {});
  EXPECT_THAT(error_text<DataError>([&] { record("s", config); }),
              HasSubstr("journal.log: from is 7; expected an integer from 0 to -1"));
}

TEST_F(PopulationSearchTest, WhatNoMemberCanHaveDoneIsRefused) {
  using Json = nlohmann::ordered_json;
  Config config = config_of("pets");
  config.tune.space.dimensions.push_back({.key = "planner.keep", .choices = {"0.1", "0.3"}});
  const Json good{{"model.learning_rate", 1e-3},
                  {"planner.horizon", 3},
                  {"model.weight_decay", 1e-4},
                  {"planner.keep", 0.3}};
  const auto refusal = [&](const Json& values, std::int64_t end) {
    const Json ended = Json::array({{{"member", 1}, {"end", end}, {"returns", Json::array()}}});
    const std::string name = "s" + std::to_string(number_++);
    const auto journal = this->journal(name, config);
    // twice: the second slice of member 1 begins where the first has ended
    journal->add_exchange(
        {{"ended", Json::array({{{"member", 1}, {"end", 40}, {"returns", Json::array()}}})},
         {"exchanged", Json::array()}},
        {});
    journal->add_exchange(
        {{"ended", ended},
         {"exchanged", Json::array({{{"member", 0}, {"from", 0}, {"values", values}}})}},
        {});
    return error_text<DataError>([&] { record(name, config); });
  };
  const auto with = [&](const char* key, Json value) {
    Json values = good;
    values[key] = std::move(value);
    return values;
  };
  EXPECT_EQ(refusal(good, 60), "");
  EXPECT_THAT(refusal(good, 40), HasSubstr("end is 40; expected an integer from 41"));
  EXPECT_THAT(refusal(with("model.learning_rate", "fast"), 60),
              HasSubstr("model.learning_rate is \"fast\"; expected a finite number"));
  EXPECT_THAT(refusal(with("model.learning_rate", -1e-3), 60),
              HasSubstr("model.learning_rate is -0.001; expected a number above 0"));
  EXPECT_THAT(refusal(with("planner.horizon", 2.5), 60),
              HasSubstr("planner.horizon is 2.5; expected an integer"));
  EXPECT_THAT(refusal(with("planner.keep", 0.2), 60),
              HasSubstr("planner.keep is 0.2; expected one of its choices"));
}

TEST_F(PopulationSearchTest, MoreSlicesThanThereAreAreRefused) {
  const Config config = config_of("sac");
  {
    const auto journal = this->journal("s", config);
    // four members of four slices each
    nlohmann::ordered_json ended = nlohmann::ordered_json::array();
    for (int i = 0; i < 17; ++i)
      ended.push_back(
          {{"member", i % 4}, {"end", 40}, {"returns", nlohmann::ordered_json::array()}});
    journal->add_exchange({{"ended", ended}, {"exchanged", nlohmann::ordered_json::array()}}, {});
  }
  EXPECT_THAT(error_text<DataError>([&] { search("s", config); }),
              HasSubstr("tells of 17 slices of its members, and there are 16"));
}

// ---- states

class FolderExchangeTest : public PopulationSearchTest {
 protected:
  FolderExchange states(bool weights_only = false) {
    return {folder("s"), weights_only, [](const std::string& text) { ADD_FAILURE() << text; }};
  }
  // a checkpoint that holds a number
  void write(int member, std::int64_t step, float number) {
    std::vector<float> weights(3, number), history(5, 10.0f * number);
    write_checkpoint(folder("s") / "members" / ("000" + std::to_string(member)) / "checkpoints",
                     step,
                     {.weights = {tensor_ref("w", weights.data(), {3})},
                      .replay = {tensor_ref("h", history.data(), {5})},
                      .state = {{"learner", {{"model", number}, {"env_steps", number}}}}},
                     2);
  }
  struct Held {
    std::string step;
    float weight, history, model, env_steps;
    bool operator==(const Held&) const = default;
  };
  Held held(int member) {
    const auto newest = latest_checkpoint(folder("s") / "members" /
                                          ("000" + std::to_string(member)) / "checkpoints");
    const CheckpointReader reader(*newest);
    std::vector<float> weights(3), history(5);
    reader.read_weights({tensor_ref("w", weights.data(), {3})});
    reader.read_replay({tensor_ref("h", history.data(), {5})});
    const auto& learner = reader.state().at("learner");
    return {newest->filename(), weights[0], history[0], learner.at("model"),
            learner.at("env_steps")};
  }
  static Slice slice(int member, int number) { return {.member = member, .number = number}; }
};

// parents that are deleted, stale checkpoints: what is copied is the state of the slice that was named,
// wherever its member has gone since
TEST_F(FolderExchangeTest, AStateOutlivesItsMembersOwnCheckpoints) {
  FolderExchange states = this->states();
  write(0, 100, 1.0f);
  write(1, 100, 2.0f);
  states.keep(1, 0);
  EXPECT_TRUE(states.has_come_to(1, 100));
  EXPECT_FALSE(states.has_come_to(1, 101));
  EXPECT_FALSE(states.has_come_to(2, 0));
  // the source goes on and deletes what is old
  for (const int step : {200, 300, 400}) write(1, step, 3.0f);
  states.take(0, slice(1, 0), "a");
  EXPECT_EQ(held(0), (Held{"step-000000100", 2.0f, 20.0f, 2.0f, 2.0f}));
  EXPECT_EQ(held(1).weight, 3.0f);
}

TEST_F(FolderExchangeTest, ACopyOfOneNameIsMadeOnceAndAnotherOneAnew) {
  FolderExchange states = this->states();
  write(0, 100, 1.0f);
  write(1, 100, 2.0f);
  states.keep(1, 0);
  states.take(0, slice(1, 0), "a");
  // the copy goes on, the process is killed, and the next one asks again
  write(0, 150, 7.0f);
  states.take(0, slice(1, 0), "a");
  EXPECT_EQ(held(0).weight, 7.0f);
  // back in time: later checkpoints of its own are gone
  states.take(0, slice(1, 0), "b");
  EXPECT_EQ(held(0), (Held{"step-000000100", 2.0f, 20.0f, 2.0f, 2.0f}));
}

TEST_F(FolderExchangeTest, ACopySharesItsFilesAndCopiesNoByte) {
  FolderExchange states = this->states();
  write(0, 100, 1.0f);
  write(1, 100, 2.0f);
  states.keep(1, 0);
  states.take(0, slice(1, 0), "a");
  for (const char* file : {"weights.safetensors", "replay.safetensors", "state.json"})
    EXPECT_TRUE(fs::equivalent(folder("s") / "members/0000/checkpoints/step-000000100" / file,
                               folder("s") / "members/0001/checkpoints/step-000000100" / file))
        << file;
}

TEST_F(FolderExchangeTest, ACopyWaitsForNoDiskAndWritesFewBytes) {
  FolderExchange states = this->states();
  write(0, 100, 1.0f);
  write(1, 100, 2.0f);
  const int before = num_disk_waits;
  EXPECT_GT(before, 0) << "counts";
  states.keep(1, 0);
  states.take(0, slice(1, 0), "a\n");
  EXPECT_EQ(num_disk_waits, before);
  std::uintmax_t own_bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder("s") / "members/0000"))
    if (entry.is_regular_file() && fs::hard_link_count(entry) == 1) own_bytes += entry.file_size();
  EXPECT_GT(own_bytes, 0u) << "its mark";
  EXPECT_LT(own_bytes, 100u);
  // once for all that was kept, before the journal tells of it
  states.sync();
  EXPECT_EQ(num_disk_waits, before + 3);
  states.sync();
  EXPECT_EQ(num_disk_waits, before + 3);
}

TEST_F(FolderExchangeTest, WhatAPowerFailureLeavesOfACopyIsCopiedAgain) {
  FolderExchange states = this->states();
  write(0, 100, 1.0f);
  write(1, 100, 2.0f);
  states.keep(1, 0);
  const fs::path checkpoints = folder("s") / "members/0000/checkpoints";
  fs::copy(checkpoints, folder("old"), fs::copy_options::recursive);
  const Held copied{"step-000000100", 2.0f, 20.0f, 2.0f, 2.0f};
  states.take(0, slice(1, 0), "a\n");
  // the mark alone has come to the disk: what was there before is still there
  fs::remove_all(checkpoints);
  fs::copy(folder("old"), checkpoints, fs::copy_options::recursive);
  EXPECT_EQ(held(0).weight, 1.0f);
  states.take(0, slice(1, 0), "a\n");
  EXPECT_EQ(held(0), copied);
  // of the copy a part
  fs::remove(checkpoints / "step-000000100/replay.safetensors");
  states.take(0, slice(1, 0), "a\n");
  EXPECT_EQ(held(0), copied);
  // the copy alone, and later steps that were to go
  write_text(folder("s") / "members/0000/copied", "");
  states.take(0, slice(1, 0), "a\n");
  EXPECT_EQ(held(0), copied);
}

TEST_F(FolderExchangeTest, WhatAPowerFailureLeavesOfAStateIsKeptAnew) {
  FolderExchange states = this->states();
  write(0, 100, 1.0f);
  states.keep(0, 0);
  fs::remove(folder("s") / "states/0000-0000/step-000000100/weights.safetensors");
  states.keep(0, 0);
  states.take(1, slice(0, 0), "a\n");
  EXPECT_EQ(held(1).weight, 1.0f);
}

TEST_F(FolderExchangeTest, WeightsAloneLeaveTheHistory) {
  FolderExchange states = this->states(/*weights_only=*/true);
  write(0, 100, 1.0f);
  write(1, 100, 2.0f);
  states.keep(1, 0);
  states.take(0, slice(1, 0), "a");
  EXPECT_EQ(held(0), (Held{"step-000000100", 2.0f, 10.0f, 2.0f, 1.0f}));
}

TEST_F(FolderExchangeTest, WhatNobodyNeedsGoes) {
  FolderExchange states = this->states();
  write(0, 100, 1.0f);
  states.keep(0, 0);
  states.keep(0, 1);
  states.drop_all_but({{0, 1}});
  EXPECT_FALSE(fs::exists(folder("s") / "states/0000-0000"));
  EXPECT_TRUE(fs::exists(folder("s") / "states/0000-0001"));
  EXPECT_THAT(error_text<DataError>([&] { states.take(0, slice(0, 0), "c"); }),
              HasSubstr("holds no state of a member"));
}

// of a process that was killed while it deleted
TEST_F(FolderExchangeTest, WhatWasBeingDeletedGoesWithTheNextStart) {
  fs::create_directories(folder("s") / "discards/7/step-000000100");
  write_text(folder("s") / "discards/7/step-000000100/DONE", "");
  FolderExchange states = this->states();
  write(0, 100, 1.0f);
  states.drop_checkpoints(0);
  states.finish();
  EXPECT_FALSE(fs::exists(folder("s") / "discards"));
  EXPECT_FALSE(fs::exists(folder("s") / "members/0000/checkpoints"));
  EXPECT_GT(states.thread_seconds(), 0.0);
}

// what a copy replaces, and its own later steps, leave by a name: nothing of them is deleted here
TEST_F(FolderExchangeTest, ACopyDeletesNothingInPlace) {
  for (const bool weights_only : {false, true}) {
    FolderExchange states = this->states(weights_only);
    write(0, 100, 1.0f);
    write(0, 150, 3.0f);
    write(1, 100, 2.0f);
    write(1, 150, 4.0f);
    states.keep(1, 0);
    states.take(0, slice(1, 0), "a\n");
    EXPECT_EQ(held(0).weight, 4.0f);
    const fs::path own = folder("s") / "members/0000/checkpoints";
    EXPECT_EQ(std::distance(fs::directory_iterator(own), fs::directory_iterator()), 1);
    EXPECT_TRUE(fs::exists(folder("s") / "discards")) << "made by the first that went aside";
    states.finish();
    EXPECT_FALSE(fs::exists(folder("s") / "discards"));
    fs::remove_all(folder("s"));
  }
}

// ---- what is refused

TEST_F(PopulationSearchTest, WhatNoPopulationCanDoIsRefusedWithTheWayOut) {
  const auto refused = [](const std::function<void(Config&)>& change, const std::string& text) {
    Config config = config_of("sac");
    change(config);
    EXPECT_THAT(
        error_text<ConfigError>([&] { check_population(config, base_of(config), "x.json"); }),
        HasSubstr(text));
  };
  refused(
      [](Config& c) {
        c.tune.space.dimensions = {
            {.key = "sac.batch_size", .low = 8, .high = 16, .integer = true}};
      },
      "sac.batch_size cannot change between two steps of a run");
  refused([](Config& c) { c.schedule = "a.json"; }, "and so does schedule. Leave that out.");
  refused([](Config& c) { c.tune.seeds = 3; }, "tune.seeds is 3; a member of pbt is one run");
  refused([](Config& c) { c.tune.trials = 1; }, "a population has two members at least");
  refused([](Config& c) { c.pbt.first = 25; }, "before a member's first evaluation at step 30");
  refused([](Config& c) { c.pbt.first = 90; }, "so that nobody learns from another");
  refused([](Config& c) { c.tune.method = "mf_pbt"; }, "Set a multiple of 16");
  refused(
      [](Config& c) {
        c.tune.method = "mf_pbt";
        c.tune.trials = 16;
        c.pbt.mode = "asynchronous";
      },
      "Set pbt.mode=synchronous");
}

TEST(ExchangeTimesTest, SlicesEndAtTheFirstThenEveryIntervalThenAtTheEnd) {
  const ExchangeTimes times{.first = 6, .interval = 5};
  EXPECT_EQ(times.after(0, 301), 6);
  EXPECT_EQ(times.after(5, 301), 6);
  EXPECT_EQ(times.after(6, 301), 11);
  EXPECT_EQ(times.after(11, 301), 16);
  EXPECT_EQ(times.after(296, 301), 301);
  EXPECT_EQ(times.after(298, 301), 301);
  int count = 0;
  for (std::int64_t step = 0; step < 301; ++count) step = times.after(step, 301);
  EXPECT_EQ(count, 60) << "slices of a member, as published";
  // where the config leaves them open: exploration and six evaluations, then five
  Config config;
  config.algorithm = "sac";
  config.loop.num_exploration_steps = 100;
  config.eval.interval = 10;
  EXPECT_EQ(exchange_times(config, config).first, 160);
  EXPECT_EQ(exchange_times(config, config).interval, 50);
}

}  // namespace
}  // namespace mbrl
