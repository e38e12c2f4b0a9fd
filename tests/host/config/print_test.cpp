// Tests for host/config/print.{h,cpp}.
#include "host/config/print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/config/fields.h"
#include "host/config/load.h"
#include "host/config/overrides.h"
#include "tests/host/config/config_errors.h"
#include "tests/support/other_value.h"

namespace mbrl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Config changed_in(const Field& field) {
  Config config;
  std::visit(OtherValue{field}, field.slot(config));
  return config;
}

TEST(PrintTest, WhatIsPrintedLoadsAsTheSameConfig) {
  Config config;
  for (const Field& field : fields()) std::visit(OtherValue{field}, field.slot(config));
  config.env.name = "cartpole";  // nothing asks the program of env.command, which is not there

  const TemporaryDirectory folder;
  const Config loaded = load_config(folder.write("x.json", config_json_text(config)));
  EXPECT_THAT(config_difference(config, loaded), IsEmpty());
  EXPECT_EQ(config_difference(Config{}, loaded).size(), fields().size());
  EXPECT_EQ(config_hash(loaded), config_hash(config));
  EXPECT_EQ(config_to_json(loaded), config_to_json(config));
}

TEST(PrintTest, TheTableMarksWhatDiffers) {
  Config config;
  config.loop.real_ratio = 0.1;
  const std::string table = config_table(config);
  EXPECT_THAT(table, testing::ContainsRegex("\n\\* loop.real_ratio +0.1 +0.05\n"));
  EXPECT_THAT(table, testing::ContainsRegex("\n  loop.epoch_length +1000 +1000\n"));
}

TEST(PrintTest, AStartNamesWhatDiffersAndTheVariants) {
  Config config;
  config.algorithm = "sac";
  config.env.name = "hopper";
  config.seed = 7;
  config.loop.real_ratio = 0.1;
  config.sac.update_order = "simultaneous";
  config.sac.hidden_sizes = {32};
  config.model.hidden_size = 77;
  const KeyFilter shown = [](const Field& field) { return field.section != "model"; };
  EXPECT_EQ(config_changes(config, shown),
            "sac on hopper, seed 7\n"
            "  sac.hidden_sizes  [32]  (default [256, 256])\n"
            "  loop.real_ratio   0.1  (default 0.05)\n"
            "variant  capsule_masses old, update_order simultaneous, pool_insertion episode,\n"
            "         length_decisions every\n");
  EXPECT_THAT(config_changes(config, shown, 30), HasSubstr("  sac.hidden_sizes  [32]\n"))
      << "defaults that have no room are left out";
}

TEST(PrintTest, AFilterLeavesKeysOut) {
  const KeyFilter loop = [](const Field& field) { return field.section == "loop"; };
  EXPECT_EQ(config_to_json(Config{}, loop).size(), 1u);
  EXPECT_EQ(config_to_json(Config{}, loop)["loop"].size(), config_to_json(Config{})["loop"].size());
  EXPECT_THAT(config_json_text(Config{}, loop), testing::Not(HasSubstr("\"sac\"")));
  EXPECT_THAT(config_table(Config{}, loop), testing::Not(HasSubstr("sac.tau")));
  EXPECT_THAT(config_table(Config{}, loop), HasSubstr("loop.epoch_length"));
}

TEST(ConfigHashTest, IsEightHexDigits) {
  EXPECT_THAT(config_hash(Config{}), testing::MatchesRegex("[0-9a-f]{8}"));
}

TEST(ConfigHashTest, DefaultsLeaveNoTraceSoThatANewKeyMovesNoRun) {
  // FNV-1a of nothing, and of the one line that differs
  EXPECT_EQ(config_hash(Config{}), "811c9dc5");
  Config config;
  config.sac.updates_per_step = 40;
  std::uint32_t hash = 2166136261u;
  for (const char c : std::string("sac.updates_per_step=40\n"))
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  char text[9];
  std::snprintf(text, sizeof(text), "%08x", hash);
  EXPECT_EQ(config_hash(config), text);
  config.sac.updates_per_step = Config{}.sac.updates_per_step;
  EXPECT_EQ(config_hash(config), "811c9dc5") << "a default that was written out is one";
}

TEST(ConfigHashTest, IgnoresWhatDoesNotChangeARunAndNothingElse) {
  const std::string usual = config_hash(Config{});
  for (const Field& field : fields()) {
    const bool ignored =
        field.path() == "name" || field.path() == "seed" || field.section == "checkpoint" ||
        field.section == "log" || is_of_search(field) || field.path() == "device.graphs" ||
        field.path() == "device.plans" || field.path() == "population.concurrent" ||
        field.path() == "process.count" || field.path() == "process.timeout";
    EXPECT_EQ(config_hash(changed_in(field)) == usual, ignored) << field.path();
  }
}

TEST(ConfigHashTest, AKeyThatMovedKeepsTheHashOfItsFormerPath) {
  Config config;
  config.env.name = "mjcf";
  config.env.mjcf.frame_skip = 4;
  config.env.mjcf.end_bounds = {0, -0.5f, 0.5f};
  config.sac.updates_per_step = 40;
  // FNV-1a of the lines that earlier versions wrote
  std::uint32_t hash = 2166136261u;
  for (const char c : std::string("env.name=\"mjcf\"\nenv.frame_skip=4\n"
                                  "env.end_bounds=[0.0,-0.5,0.5]\nsac.updates_per_step=40\n"))
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  char text[9];
  std::snprintf(text, sizeof(text), "%08x", hash);
  EXPECT_EQ(config_hash(config), text);
}

TEST(ConfigHashTest, SeesWhatFilesSayAndNotWhereTheyLie) {
  const TemporaryDirectory folder;
  const auto robot = [&](const std::string& name, const std::string& text) {
    Config config;
    config.env.mjcf.model = folder.write(name, text);
    return config_hash(config);
  };
  const std::string first = robot("a.xml", "<mujoco/>");
  EXPECT_EQ(robot("b.xml", "<mujoco/>"), first);
  EXPECT_NE(robot("a.xml", "<mujoco><worldbody/></mujoco>"), first) << "edited";
  Config steered, absent;
  steered.controller.file = folder.write("c.safetensors", "weights");
  const std::string before = config_hash(steered);
  folder.write("c.safetensors", "other weights");
  EXPECT_NE(config_hash(steered), before);
  absent.env.mjcf.model = (folder.path() / "absent.xml").string();
  EXPECT_NE(config_hash(absent), config_hash(Config{}));
}

TEST(ConfigDifferenceTest, NamesOfListsAreWrittenAsOverridesTakeThem) {
  Config other;
  other.controller.apply = {"model", "updates"};
  EXPECT_THAT(
      config_difference(Config{}, other),
      ElementsAre("controller.apply differs ([real_ratio, model, updates, rollout_length] -> "
                  "[model, updates])"));
}

TEST(ConfigDifferenceTest, NamesKeyAndBothValues) {
  Config other;
  other.sac.hidden_sizes = {512};
  other.sac.learning_rate = 1e-4f;
  EXPECT_THAT(config_difference(Config{}, other),
              ElementsAre("sac.hidden_sizes differs ([256, 256] -> [512])",
                          "sac.learning_rate differs (0.0003 -> 0.0001)"));
}

TEST(KeysTest, ASectionListsItsOwnKeysOnly) {
  const std::string text = keys_text("rollout");
  EXPECT_THAT(text, HasSubstr("rollout.batch_size = 100000  [states]\n    start states of imagined "
                              "rollouts after each fit (an integer >= 1)\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("model.")));
}

TEST(KeysTest, AnUnknownSectionNamesTheNearest) {
  EXPECT_EQ(
      config_error([] { keys_text("modle"); }),
      "config keys: there is no section modle. Did you mean model? Sections: env, mjcf, process, "
      "model, planner, rollout, sac, ppo, loop, eval, log, checkpoint, device, controller, autombpo, "
      "population, tune, pbt.");
}

TEST(KeysTest, TheTableInTheReadmeIsCurrent) {
  std::ifstream file(MBRL_SOURCE_DIR "/configs/README.md");
  std::stringstream readme;
  readme << file.rdbuf();
  EXPECT_THAT(readme.str(), testing::EndsWith("\n\n" + keys_markdown()))
      << "replace the table by the output of `mbrl_gpu config keys --markdown`";
}

TEST(PrintTest, APathThatIsNoUtf8GoesThroughJsonAndIsShown) {
  for (const std::string path :
       {"\xe9/robot.xml", "\xef\x9e\x80.xml", "\xef\x9f\xbf", "caf\xc3\xa9.xml", "\xf0\x9f"}) {
    Config config;
    config.env.mjcf.model = path;
    const std::string text = config_json_text(config);
    EXPECT_EQ(config_from_json(nlohmann::ordered_json::parse(text), "test").env.mjcf.model, path);
  }
  Config config;
  config.env.mjcf.model = "\xe9.xml";
  EXPECT_THAT(config_table(config), testing::HasSubstr("\\xe9.xml"));
}

}  // namespace
}  // namespace mbrl
