// Tests for host/algo/keys_read.{h,cpp}, and of what resolve_config does with it.
#include "host/algo/keys_read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "host/algo/registry.h"
#include "host/algo/resolve_config.h"
#include "host/config/overrides.h"
#include "host/config/print.h"
#include "tests/host/config/config_errors.h"
#include "tests/support/other_value.h"

namespace mbrl {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class KeysReadTest : public testing::Test {
 protected:
  // what resolving the file `text` with overrides gives; what was said of it in `said_`
  Config resolve(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return resolve_file(folder_.write("x.json", text), overrides);
  }
  Config resolve_file(const std::string& path, const std::vector<std::string>& overrides = {}) {
    testing::internal::CaptureStderr();
    try {
      const Config config = resolve_config(path, overrides);
      said_ = without_folder(testing::internal::GetCapturedStderr());
      return config;
    } catch (...) {
      testing::internal::GetCapturedStderr();
      throw;
    }
  }
  std::string error(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return without_folder(config_error([&] { resolve(text, overrides); }));
  }
  std::string without_folder(std::string text) {
    const std::string folder = folder_.path().string() + "/";
    for (auto at = text.find(folder); at != std::string::npos; at = text.find(folder))
      text.erase(at, folder.size());
    return text;
  }

  TemporaryDirectory folder_;
  std::string said_;
};

TEST_F(KeysReadTest, EveryKeyOfEveryAlgorithmIsReadOrRefusedByName) {
  std::set<std::string> read_by_some;
  for (const Algorithm& algorithm : list_algorithms()) {
    int num_refused = 0;
    for (const Field& field : fields()) {
      if (field.section.empty()) continue;
      Config other;
      std::visit(OtherValue{field}, field.slot(other));
      const std::string value = field_value(other, field).dump();
      const std::string text =
          error("{\"algorithm\": \"" + algorithm.name + "\"}", {field.path() + "=" + value});
      // a key of sections that some choice switches on: as the defaults have it
      Config config;
      config.algorithm = algorithm.name;
      std::visit(OtherValue{field}, field.slot(config));
      const bool read = is_read(config, field);
      EXPECT_EQ(text.find("command line: " + field.path() + " is not read by ") == 0, !read)
          << algorithm.name << " " << field.path() << ": " << text;
      EXPECT_EQ(config_to_json(config, keys_read(config)).contains(field.section) &&
                    config_to_json(config, keys_read(config))[field.section].contains(field.key),
                read)
          << algorithm.name << " " << field.path();
      if (read) read_by_some.insert(field.path());
      num_refused += !read;
    }
    EXPECT_GT(num_refused, 0) << algorithm.name;
  }
  // these need a choice besides the algorithm
  const std::set<std::string> others{"env.contact_cost", "env.body_position",   "env.command",
                                     "env.end",          "planner.temperature", "planner.noise",
                                     "planner.color",    "planner.keep",        "planner.shrink"};
  for (const Field& field : fields())
    EXPECT_TRUE(field.section.empty() || field.section == "mjcf" || field.section == "process" ||
                is_of_search(field) || others.count(field.path()) == 1 ||
                read_by_some.count(field.path()) == 1)
        << field.path();
}

TEST_F(KeysReadTest, ErrorsSayWhoReadsTheKeyAndTheWayOut) {
  EXPECT_EQ(error("{}", {"ppo.clip=0.3"}),
            "command line: ppo.clip is not read by algorithm mbpo; only ppo reads it. Leave it "
            "out, or set algorithm=ppo.");
  EXPECT_EQ(
      error("{\"algorithm\": \"sac\", \"model\": {\"hidden_size\": 8}}"),
      "x.json: model.hidden_size is not read by algorithm sac; only mbpo, mbpo_newest, pets and "
      "autombpo read it. Leave it out, or set algorithm=mbpo, mbpo_newest, pets or autombpo.");
  EXPECT_THAT(error("{\"algorithm\": \"sac\"}", {"loop.real_ratio=1"}),
              StartsWith("command line: loop.real_ratio is not read by algorithm sac; only "));
  EXPECT_THAT(error("{\"algorithm\": \"ppo\"}", {"loop.replay_capacity=9"}),
              StartsWith("command line: loop.replay_capacity is not read by algorithm ppo; only "));
  EXPECT_THAT(error("{\"algorithm\": \"autombpo\"}", {"loop.num_env_steps=9"}),
              StartsWith("command line: loop.num_env_steps is not read by algorithm autombpo; "));
  EXPECT_THAT(error("{\"algorithm\": \"sac\"}", {"controller.file=best.safetensors"}),
              StartsWith("command line: controller.file is not read by algorithm sac; only "));
}

TEST_F(KeysReadTest, TheEnvironmentAndTheControllerDecideAsWell) {
  EXPECT_EQ(error("{}", {"mjcf.frame_skip=4"}),
            "command line: mjcf.frame_skip is not read by env.name=hopper; only mjcf reads it. "
            "Leave it out, or set env.name=mjcf.");
  EXPECT_EQ(error("{}", {"env.frame_skip=4"}), error("{}", {"mjcf.frame_skip=4"}));
  EXPECT_EQ(error("{}", {"env.name=mjcf", "mjcf.frame_skip=4"}), "no error");
  EXPECT_EQ(error("{\"env\": {\"contact_cost\": false}}"),
            "x.json: env.contact_cost is not read by env.name=hopper; only ant and humanoid read "
            "it. Leave it out, or set env.name=ant or humanoid.");
  EXPECT_EQ(error("{\"env\": {\"contact_cost\": false}}", {"env.name=ant"}), "no error");
  EXPECT_EQ(error("{}", {"env.body_position=center_of_mass"}),
            "command line: env.body_position is not read by env.name=hopper; only pusher reads it. "
            "Leave it out, or set env.name=pusher.");
  EXPECT_EQ(error("{}", {"env.name=pusher", "env.body_position=center_of_mass"}), "no error");
  EXPECT_EQ(error("{}", {"env.end=served"}),
            "command line: env.end is not read by env.name=hopper; only process reads it. Leave it "
            "out, or set env.name=process.");
  EXPECT_EQ(error("{}", {"controller.interval=50"}),
            "command line: controller.interval is not read by algorithm mbpo without a "
            "controller. Leave it out, or give controller.file.");
  EXPECT_EQ(error("{}", {"controller.interval=50", "controller.file=c"}), "no error");
  EXPECT_EQ(error("{\"algorithm\": \"autombpo\"}", {"controller.interval=50"}), "no error");
}

TEST_F(KeysReadTest, AFileMayHoldDefaultsAndTheCommandLineMayNot) {
  EXPECT_EQ(error("{\"ppo\": {\"clip\": 0.2}}"), "no error");
  EXPECT_THAT(said_, IsEmpty());
  EXPECT_NE(error("{}", {"ppo.clip=0.2"}), "no error");
}

TEST_F(KeysReadTest, AnotherAlgorithmOnTheCommandLineDropsWhatTheFileSetInOneLine) {
  const std::string ppo =
      "{\"algorithm\": \"ppo\", \"ppo\": {\"clip\": 0.3, \"epochs\": 5, \"discount\": 0.99},"
      " \"loop\": {\"num_env_steps\": 9000}}";
  const Config config = resolve(ppo, {"algorithm=mbpo"});
  EXPECT_EQ(said_,
            "x.json: dropped ppo.epochs and ppo.clip, which algorithm mbpo does not read.\n");
  Config plain;
  plain.loop.num_env_steps = 9000;
  EXPECT_EQ(config_hash(config), config_hash(plain));
  EXPECT_THAT(config_difference(config, plain), IsEmpty());
  // what the command line sets itself is not left behind
  EXPECT_EQ(error("{\"algorithm\": \"sac\", \"ppo\": {\"clip\": 0.3}}", {"algorithm=mbpo"}),
            "no error");
  EXPECT_EQ(said_, "x.json: dropped ppo.clip, which algorithm mbpo does not read.\n");
  EXPECT_THAT(error(ppo, {"algorithm=mbpo", "ppo.clip=0.1"}),
              StartsWith("command line: ppo.clip is not read"));
  // and a key that the file's own algorithm does not read either was not left behind
  EXPECT_THAT(error("{\"algorithm\": \"ppo\", \"ppo\": {\"clip\": 0.3}, \"sac\": {\"tau\": 1}}",
                    {"env.name=walker2d"}),
              StartsWith("x.json: sac.tau is not read by algorithm ppo"));
}

TEST_F(KeysReadTest, ManyDroppedKeysOfASectionAreCounted) {
  resolve(
      "{\"algorithm\": \"ppo\", \"env\": {\"name\": \"ant\", \"contact_cost\": false},"
      " \"ppo\": {\"clip\": 0.3, \"epochs\": 5, \"discount\": 0.9, \"batch_size\": 32}}",
      {"algorithm=sac", "env.name=hopper"});
  EXPECT_EQ(said_,
            "x.json: dropped env.contact_cost and ppo.* (4 keys), which env.name=hopper and "
            "algorithm sac do not read.\n");
}

TEST_F(KeysReadTest, AFileThatExtendsAnotherAlgorithmsDropsItsKeysWithoutAWord) {
  folder_.write("base.json", "{\"model\": {\"hidden_size\": 8}, \"sac\": {\"tau\": 0.1}}");
  const std::string extends = "{\"extends\": \"base.json\", \"algorithm\": \"sac\"}";
  const Config config = resolve(extends);
  EXPECT_THAT(said_, IsEmpty());
  EXPECT_EQ(config.model.hidden_size, 200);
  EXPECT_EQ(config.sac.tau, 0.1f);
  resolve(extends, {"seed=3"});
  EXPECT_THAT(said_, IsEmpty());
  // what the command line chooses is new
  resolve(extends, {"algorithm=ppo"});
  EXPECT_EQ(said_, "base.json: dropped sac.tau, which algorithm ppo does not read.\n");
}

TEST_F(KeysReadTest, EveryShippedConfigIsResolvedWithoutAWord) {
  for (const std::string& name : shipped_configs()) {
    resolve_file(name);
    EXPECT_THAT(said_, IsEmpty()) << name;
  }
}

TEST_F(KeysReadTest, AControllersKeysGoWithIt) {
  const std::string autombpo =
      "{\"algorithm\": \"autombpo\", \"controller\": {\"model_loss_scale\": 1},"
      " \"autombpo\": {\"num_seeds\": 3}}";
  EXPECT_EQ(config_hash(resolve(autombpo, {"algorithm=mbpo"})), config_hash(Config{}));
  EXPECT_EQ(said_,
            "x.json: dropped controller.model_loss_scale and autombpo.num_seeds, which algorithm "
            "mbpo does not read.\n");
  const Config steered = resolve(autombpo, {"algorithm=mbpo", "controller.file=c"});
  EXPECT_EQ(steered.controller.model_loss_scale, 1.0f);
  EXPECT_EQ(said_, "x.json: dropped autombpo.num_seeds, which algorithm mbpo does not read.\n");
}

TEST_F(KeysReadTest, ASacFileMayStillSayThatAllRowsAreReal) {
  const Config config = resolve("{\"algorithm\": \"sac\", \"loop\": {\"real_ratio\": 1}}");
  EXPECT_THAT(said_, IsEmpty());
  Config plain;
  plain.algorithm = "sac";
  EXPECT_EQ(config_hash(config), config_hash(plain));
  EXPECT_THAT(error("{\"algorithm\": \"sac\", \"loop\": {\"real_ratio\": 0.5}}"),
              StartsWith("x.json: loop.real_ratio is not read by algorithm sac"));
}

TEST_F(KeysReadTest, ASavedConfigHoldsWhatIsReadAndNothingElse) {
  const Config config = resolve("{\"algorithm\": \"sac\", \"sac\": {\"tau\": 0.1}}", {"seed=3"});
  const auto json = config_to_json(config, keys_read(config));
  EXPECT_FALSE(json.contains("ppo"));
  EXPECT_FALSE(json.contains("mjcf"));
  EXPECT_FALSE(json["loop"].contains("real_ratio"));
  EXPECT_TRUE(json["loop"].contains("replay_capacity")) << "defaults are written out";
  const Config plain;
  EXPECT_EQ(config_to_json(plain, keys_read(plain))["controller"].dump(), "{\"file\":\"\"}")
      << "of a controller that is not there, that it is not";
  const Config again =
      resolve_file(folder_.write("config.json", config_json_text(config, keys_read(config))));
  EXPECT_THAT(config_difference(config, again), IsEmpty());
}

TEST_F(KeysReadTest, WhatEarlierVersionsSavedComparesWithTodaysConfig) {
  Config saved;
  saved.algorithm = "sac";
  saved.loop.real_ratio = 1.0f;
  saved.model.hidden_size = 64;
  saved.sac.tau = 0.1f;
  Config today;
  today.algorithm = "sac";
  today.sac.tau = 0.1f;
  EXPECT_THAT(config_difference(without_unread_keys(saved), today), IsEmpty());
}

TEST_F(KeysReadTest, BenchKeepsWhatTheAlgorithmDoesNotRead) {
  const Config config = resolve_config(folder_.write("x.json", "{\"algorithm\": \"sac\"}"),
                                       {"rollout.batch_size=7"}, UnreadKeys::kKeep);
  EXPECT_EQ(config.rollout.batch_size, 7);
}

}  // namespace
}  // namespace mbrl
