// Tests for host/tune/autombpo/configs.{h,cpp}.
#include "host/tune/autombpo/configs.h"

#include <gtest/gtest.h>

#include "host/config/print.h"

namespace mbrl {
namespace {

TEST(BaselineConfigTest, KeepsNothingOfTheController) {
  Config config;
  config.name = "trial";
  config.algorithm = "autombpo";
  config.loop.num_exploration_steps = 300;
  config.loop.epoch_length = 50;
  config.sac.tau = 0.01f;
  Config other = config;
  other.controller.interval = 77;
  other.autombpo.num_episodes = 3;
  other.population.concurrent = "4";
  const Config baseline = baseline_config(config, 6);
  EXPECT_EQ(baseline.algorithm, "mbpo");
  EXPECT_EQ(baseline.name, "trial-baseline");
  EXPECT_EQ(baseline.loop.num_env_steps, 300 + 6 * 50);
  EXPECT_EQ(baseline.sac.tau, 0.01f);
  EXPECT_EQ(config_hash(baseline), config_hash(baseline_config(other, 6)));
}

TEST(SteeredConfigTest, TakesTheControllersRolloutsAndNothingElse) {
  Config config;
  config.algorithm = "mbpo_newest";
  config.controller.rollout_interval = 50;
  config.controller.rollout_batch_size = 700;
  const Config steered = steered_config(config);
  EXPECT_EQ(steered.algorithm, "mbpo_newest");
  EXPECT_EQ(steered.rollout.interval, 50);
  EXPECT_EQ(steered.rollout.batch_size, 700);
  EXPECT_EQ(steered.rollout.schedule, config.rollout.schedule);
  EXPECT_EQ(steered.loop.real_ratio, config.loop.real_ratio);
}

TEST(EpisodeConfigTest, IsASteeredRunOfSomeEpochs) {
  Config config;
  config.algorithm = "autombpo";
  config.loop.num_exploration_steps = 300;
  config.loop.epoch_length = 50;
  config.controller.rollout_interval = 25;
  const Config episode = episode_config(config, "0-003", 4);
  EXPECT_EQ(episode.algorithm, "mbpo");
  EXPECT_EQ(episode.controller.file, "0-003");
  EXPECT_EQ(episode.loop.num_env_steps, 300 + 4 * 50);
  EXPECT_EQ(episode.rollout.interval, 25);
}

}  // namespace
}  // namespace mbrl
