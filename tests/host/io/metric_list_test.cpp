// Tests for host/io/metric_list.{h,cpp}: docs/metrics.md is what it says, and whatever a run writes is
// in it.
#include "host/io/metric_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "host/algo/registry.h"
#include "host/run/run.h"
#include "host/run/training.h"
#include "tests/support/configs.h"
#include "tests/support/events.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(MetricListTest, TheTablesInTheDocsAreCurrent) {
  EXPECT_THAT(file_text(MBRL_SOURCE_DIR "/docs/metrics.md"),
              testing::EndsWith("\n\n" + metrics_markdown()))
      << "replace the tables by the output of `mbrl_gpu config metrics --markdown`";
}

TEST(MetricListTest, NoColumnOrTagIsThereTwice) {
  std::set<std::string> columns, tags;
  for (const MetricEntry& e : metric_list()) {
    if (*e.table != '\0') {
      EXPECT_TRUE(columns.insert(std::string(e.table) + " " + e.column).second) << e.column;
    }
    if (*e.tag != '\0') {
      EXPECT_TRUE(tags.insert(e.tag).second) << e.tag;
    }
    EXPECT_NE(std::string(e.text), "");
    EXPECT_THAT(std::string(e.text), testing::Not(HasSubstr("|"))) << "it would end the cell";
  }
}

TEST(MetricListTest, APatternStandsForManyNames) {
  EXPECT_STREQ(find_tag("schedule/sac.learning_rate")->tag, "schedule/<key>");
  EXPECT_STREQ(find_tag("model/holdout_mse/6")->tag, "model/holdout_mse/<member>");
  EXPECT_STREQ(find_column("decisions.csv", "option_updates")->column, "option_<head>");
  EXPECT_EQ(find_tag("schedule/"), nullptr);
  EXPECT_EQ(find_tag(""), nullptr);
  EXPECT_EQ(find_column("episodes.csv", "critic_loss"), nullptr);
}

// trains a config to its end; expects all that its folder holds to be listed
void expect_listed(Config config) {
  config.log.interval = 7;
  const TemporaryDirectory folder;
  ThreadPool pool(1);
  OpenDevice device("cpu", {}, pool);
  const RunDir dir = RunDir::open_folder(folder.path() / "run", config, {}, "cpu");
  ProgressSink progress;
  EXPECT_EQ(Training({.config = config, .to_console = false}, dir, device, progress).run(),
            ExitCode::kDone);
  int num_tables = 0;
  for (const auto& entry : fs::directory_iterator(dir.path())) {
    const std::string table = entry.path().filename();
    if (!table.ends_with(".csv")) continue;
    ++num_tables;
    std::istringstream text(file_text(entry.path()));
    std::string header, column;
    std::getline(text, header);
    for (std::istringstream names(header); std::getline(names, column, ',');)
      EXPECT_NE(find_column(table, column), nullptr) << table << " " << column;
  }
  EXPECT_EQ(num_tables, 3);
  std::set<std::string> tags;
  for (const ReadEvent& event : read_events(dir.path())) {
    EXPECT_NE(find_tag(event.tag), nullptr) << event.tag;
    if (const MetricEntry* entry = find_tag(event.tag)) tags.insert(entry->tag);
  }
  // as users of other programs know them
  const auto has = [&](const std::vector<std::string>& wanted) {
    for (const std::string& tag : wanted) EXPECT_EQ(tags.count(tag), 1u) << tag;
  };
  has({"rollout/ep_rew_mean", "rollout/ep_len_mean", "eval/mean_reward", "eval/mean_ep_length",
       "time/fps", "schedule/<key>", "config", "_hparams_/session_start_info",
       "_hparams_/session_end_info"});
  if (config.algorithm == "ppo")
    has({"train/policy_gradient_loss", "train/value_loss", "train/approx_kl", "train/std"});
  else
    has({"train/critic_loss", "train/actor_loss", "train/ent_coef", "train/n_updates"});
  if (config.algorithm == "mbpo")
    has({"model/holdout_mse/<member>", "model/loss", "model/rollout_length", "replay/model_size"});
}

TEST(MetricListTest, WhatARunWritesIsListed) {
  Config config = small_member();
  expect_listed(config);
  config.algorithm = "sac";
  config.model = {};
  config.rollout = {};
  expect_listed(config);
  config = small_ppo("pendulum");
  config.env.max_episode_steps = 10;
  config.loop.num_env_steps = 90;
  config.eval.interval = 30;
  config.eval.num_episodes = 1;
  expect_listed(config);
}

TEST(MetricListTest, EachAlgorithmsColumnsAreListed) {
  for (const Algorithm& algorithm : list_algorithms()) {
    if (algorithm.make == nullptr) continue;
    Config config = algorithm.name == "ppo" ? small_ppo("pendulum") : small_member();
    config.algorithm = algorithm.name;
    ThreadPool pool(1);
    Stream stream(pool);
    const auto learner = make_learner(config, stream, {}, 0);
    for (const std::string& name : learner->metric_names())
      EXPECT_NE(find_column("metrics.csv", name), nullptr) << algorithm.name << " " << name;
  }
}

}  // namespace
}  // namespace mbrl
