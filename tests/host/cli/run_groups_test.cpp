// Tests for host/cli/run_groups.{h,cpp}.
#include "host/cli/run_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/algo/keys_read.h"
#include "host/config/print.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::ElementsAre;
namespace fs = std::filesystem;

class RunGroupsTest : public testing::Test {
 protected:
  // a run as the program leaves it
  void add(const std::string& folder, const Config& config,
           const std::vector<InputFile>& files = {}) {
    const fs::path path = folder_.path() / folder;
    fs::create_directories(path);
    std::ofstream(path / "config.json") << config_json_text(config, keys_read(config));
    if (!files.empty()) std::ofstream(path / "files.json") << to_json(files).dump();
    std::ofstream(path / "metrics.csv") << "env_steps,eval_return_mean\n1000,5\n";
  }
  std::vector<RunGroup> groups(GroupBy by = GroupBy::kConfig) {
    return find_groups(folder_.path(), "metrics.csv", by);
  }
  std::vector<std::string> labels(GroupBy by = GroupBy::kConfig) {
    std::vector<std::string> result;
    for (const RunGroup& group : groups(by))
      result.push_back(std::to_string(group.tables.size()) + " " + group.label);
    return result;
  }

  TemporaryDirectory folder_;
};

TEST_F(RunGroupsTest, SeedsOfOneConfigAreOneGroup) {
  for (const int seed : {0, 1, 2}) {
    Config config;
    config.seed = seed;
    config.name = "name" + std::to_string(seed);
    config.checkpoint.interval = 100 + seed;
    add("811c9dc5/seed-" + std::to_string(seed), config);
  }
  EXPECT_THAT(labels(), ElementsAre("3 "));
}

TEST_F(RunGroupsTest, TheEnvironmentIsTheOneThatANameOfManyStandsFor) {
  Config config;
  config.env.name = "walker2d";
  add("1", config);
  config.env.name = "process";
  config.env.command = "python3 -m mbrl_gpu.serve Hopper-v5";
  add("2", config);
  config.env.command = "";
  config.env.name = "mjcf";
  config.env.mjcf.model = "robots/leg.xml";
  add("3", config);
  std::vector<std::string> environments;
  for (const RunGroup& group : groups()) environments.push_back(environment_of(group));
  EXPECT_THAT(environments,
              testing::UnorderedElementsAre("walker2d", "python3 -m mbrl_gpu.serve Hopper-v5",
                                            "robots/leg.xml"));
}

TEST_F(RunGroupsTest, ConfigsAreToldApartByTheKeysThatDiffer) {
  for (const int seed : {0, 1})
    for (const float rate : {1e-3f, 1e-1f}) {
      Config config;
      config.seed = seed;
      config.sac.learning_rate = rate;
      add(config_hash(config) + "/seed-" + std::to_string(seed), config);
    }
  EXPECT_THAT(labels(), testing::UnorderedElementsAre("2 sac.learning_rate=0.001",
                                                      "2 sac.learning_rate=0.1"));
  EXPECT_THAT(difference_text(groups()), testing::StartsWith("sac.learning_rate (0."));
}

TEST_F(RunGroupsTest, OfManyKeysALabelNamesThree) {
  Config config;
  add("a", config);
  config.sac.learning_rate = 1.0f;
  config.sac.tau = 0.5f;
  config.sac.batch_size = 8;
  config.loop.epoch_length = 10;
  add("b", config);
  EXPECT_THAT(labels(), ElementsAre("1 loop.epoch_length=1000, sac.batch_size=256, "
                                    "sac.learning_rate=0.0003, ...",
                                    "1 loop.epoch_length=10, sac.batch_size=8, "
                                    "sac.learning_rate=1, ..."));
}

TEST_F(RunGroupsTest, FilesTellRobotsApartAndPathsDoNot) {
  Config config;
  config.env.name = "mjcf";
  config.env.mjcf.model = "here/robot.xml";
  add("a", config, {{"mjcf.model", "robot.xml", "1"}, {"mjcf.model", "leg.xml", "2"}});
  config.env.mjcf.model = "there/robot.xml";
  add("b", config, {{"mjcf.model", "robot.xml", "1"}, {"mjcf.model", "leg.xml", "2"}});
  EXPECT_THAT(labels(), ElementsAre("2 "));
  add("c", config, {{"mjcf.model", "robot.xml", "1"}, {"mjcf.model", "leg.xml", "3"}});
  EXPECT_THAT(labels(), ElementsAre("2 leg.xml of mjcf.model=2", "1 leg.xml of mjcf.model=3"));
}

TEST_F(RunGroupsTest, HashesThatDifferForNoKeyDoTellRunsApart) {
  add("11111111/seed-0", {});
  add("22222222/seed-0", {});
  EXPECT_THAT(labels(), ElementsAre("1 config 11111111", "1 config 22222222"));
  EXPECT_EQ(difference_text(groups()),
            "nothing that config.json tells, but their hashes (11111111, 22222222)");
}

TEST_F(RunGroupsTest, ACopyElsewhereIsOfItsGroup) {
  add("11111111/seed-0", {});
  add("copy", {});
  EXPECT_THAT(labels(), ElementsAre("2 "));
}

TEST_F(RunGroupsTest, TablesAloneAreOneGroup) {
  std::ofstream(folder_.path() / "seed-0.csv") << "env_steps,eval_return_mean\n1,1\n";
  std::ofstream(folder_.path() / "seed-1.csv") << "env_steps,eval_return_mean\n1,1\n";
  EXPECT_THAT(labels(), ElementsAre("2 "));
}

TEST_F(RunGroupsTest, AnotherVersionsConfigIsReadForWhatItSays) {
  add("a", {});
  const auto change = [&](const char* folder, const char* text) {
    add(folder, {});
    std::ofstream(folder_.path() / folder / "config.json") << text;
  };
  change("b", R"({"name": "x", "sac": {"a_key_of_tomorrow": 3}})");
  change("c", R"({"name": "y", "sac": {"a_key_of_tomorrow": 3}})");
  change("d", R"({"name": )");
  const std::vector<RunGroup> found = groups();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[1].tables.size(), 2u);
  EXPECT_EQ(found[1].values.at("sac.a_key_of_tomorrow"), "3");
  EXPECT_THAT(found[2].values.at("config.json"), testing::HasSubstr("config.json"));
}

TEST_F(RunGroupsTest, PhasesOfAControllerAreOneGroup) {
  Config config;
  for (const char* controller : {"0-000", "0-001"}) {
    config.controller.file = controller;
    add(std::string("episodes/") + controller, config);
  }
  EXPECT_THAT(labels(), ElementsAre("1 controller.file=0-000", "1 controller.file=0-001"));
  EXPECT_THAT(labels(GroupBy::kConfigButController), ElementsAre("2 "));
}

TEST_F(RunGroupsTest, ARunThatHasJustBegunIsLeftOutOfItsGroup) {
  add("a", {});
  add("b", {});
  std::ofstream(folder_.path() / "b" / "metrics.csv") << "env_steps,eval_return_mean\n";
  const std::vector<RunGroup> found = groups();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(read_group(found[0], "eval_return_mean").size(), 1u);
  std::ofstream(folder_.path() / "a" / "metrics.csv") << "env_steps,eval_return_mean\n";
  EXPECT_THROW(read_group(found[0], "eval_return_mean"), DataError);
}

}  // namespace
}  // namespace mbrl
