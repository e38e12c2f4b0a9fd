// Tests for host/algo/ppo.{h,cpp}: what is collected and when it learns, and that it learns.
#include "host/algo/ppo.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "host/run/loop.h"
#include "tests/support/breakable.h"
#include "tests/support/configs.h"

namespace mbrl {
namespace {

Config small_config() {
  Config c = small_ppo("cartpole");
  c.env.max_episode_steps = 7;
  return c;
}

// one of the arrays a checkpoint keeps
template <typename T = float>
std::vector<T> array_of(Ppo& ppo, const std::string& name) {
  StateWriter saved;
  ppo.visit(saved);
  for (const TensorRef& t : saved.replay_tensors)
    if (t.name == name) {
      const auto* data = static_cast<const T*>(t.data);
      return std::vector<T>(data, data + num_bytes(t) / sizeof(T));
    }
  ADD_FAILURE() << name;
  return {};
}

struct Session {
  ThreadPool pool{1};
  Stream stream{pool};
  std::vector<std::string> stages;
  std::vector<EpisodeReport> episodes;
  Ppo ppo;

  explicit Session(const Config& config)
      : ppo(config, stream,
            {.on_stage = [this](std::string_view s) { stages.emplace_back(s); },
             .on_episode = [this](const EpisodeReport& e) { episodes.push_back(e); }},
            0) {}

  std::vector<float> array(const std::string& name) { return array_of(ppo, name); }
};

TEST(NormalizeAdvantagesTest, BrokenStepsCountForNothing) {
  std::vector<float> advantage{1.0f, 99.0f, 3.0f, 5.0f, -99.0f};
  normalize_advantages(advantage, std::vector<float>{0, 1, 0, 0, 1});
  const float one = std::sqrt(1.5f);  // 2 / sqrt(8 / 3)
  EXPECT_NEAR(advantage[0], -one, 1e-6);
  EXPECT_EQ(advantage[1], 0.0f);
  EXPECT_NEAR(advantage[2], 0.0f, 1e-6);
  EXPECT_NEAR(advantage[3], one, 1e-6);
  EXPECT_EQ(advantage[4], 0.0f);

  std::vector<float> nothing{7.0f, 8.0f};
  normalize_advantages(nothing, std::vector<float>{1, 1});
  EXPECT_EQ(nothing, (std::vector<float>{0.0f, 0.0f}));
}

TEST(PpoTest, CollectsInEveryEnvironmentThenUpdates) {
  Session s(small_config());
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(s.ppo.step());
  EXPECT_EQ(s.ppo.env_steps(), 60);
  EXPECT_EQ(s.ppo.num_updates(), 2 * 2 * 30 / 6);
  EXPECT_EQ(std::count(s.stages.begin(), s.stages.end(), "ppo"), 2);
  EXPECT_EQ(s.stages[9], "env_step");
  EXPECT_EQ(s.stages[10], "ppo");
  EXPECT_EQ(s.ppo.observation_moments().count(), 60.0);
}

TEST(PpoTest, EpisodesOfEveryEnvironmentAreReported) {
  Session s(small_config());
  for (int i = 0; i < 20; ++i) s.ppo.step();
  // cut after 7 steps, in three environments at once
  ASSERT_EQ(s.episodes.size(), 6u);
  for (const EpisodeReport& e : s.episodes) {
    EXPECT_EQ(e.length, 7);
    EXPECT_EQ(e.episode_return, 7.0);
    EXPECT_TRUE(e.truncated);
  }
  EXPECT_EQ(s.episodes[0].env_steps, 21);
  EXPECT_EQ(s.episodes[5].env_steps, 42);
  EXPECT_EQ(s.episodes[5].episode, 5);
}

TEST(PpoTest, ValuesOfWhatFollowsAreThoseOfTheNextStepUnlessAnEpisodeEnded) {
  Config config = small_config();
  config.ppo.steps_per_update = 20;  // 10 of them are looked at
  config.ppo.normalize_observations = false;
  Session s(config);
  for (int i = 0; i < 10; ++i) s.ppo.step();
  const std::vector<float> value = s.array("steps.value"), next = s.array("steps.next_value");
  const std::vector<float> truncated = s.array("steps.truncated");
  for (int t = 0; t < 9; ++t)
    for (int env = 0; env < 3; ++env) {
      const int i = t * 3 + env;
      EXPECT_EQ(truncated[i], t == 6 ? 1.0f : 0.0f);
      if (t == 6) {
        // the observation before the reset, which is not the one acted on next
        EXPECT_NE(next[i], value[i + 3]);
        EXPECT_NE(next[i], 0.0f);
      } else {
        EXPECT_EQ(next[i], value[i + 3]) << t;
      }
    }
}

TEST(PpoTest, ObservationsAndRewardsAreKeptScaled) {
  Config config = small_config();
  config.ppo.steps_per_update = 100;
  Session scaled(config);
  config.ppo.normalize_observations = config.ppo.normalize_rewards = false;
  Session raw(config);
  for (int i = 0; i < 30; ++i) {
    scaled.ppo.step();
    raw.ppo.step();
  }
  const std::vector<float> rewards = raw.array("steps.reward");
  for (int i = 0; i < 90; ++i) EXPECT_EQ(rewards[i], 1.0f);
  const std::vector<float> small = scaled.array("steps.reward");
  EXPECT_NE(small[89], 1.0f);
  EXPECT_GT(small[89], 0.0f);
  const std::vector<float> wide = scaled.array("steps.observation");
  const auto large = [](float x) { return std::abs(x) > 0.5f; };
  EXPECT_GT(std::count_if(wide.begin(), wide.begin() + 360, large), 100);
}

TEST(PpoTest, AnUnstableSimulatorEndsTheEpisodeAndTheRunGoesOn) {
  Config config = small_config();
  config.env.name = "hopper";
  config.env.max_episode_steps = 0;
  config.ppo.num_envs = 1;
  config.ppo.batch_size = 5;
  int warnings = 0;
  std::vector<EpisodeReport> episodes;
  ThreadPool pool(1);
  Stream stream(pool);
  Breakable<Ppo> ppo(config, stream,
                     {.on_episode = [&](const EpisodeReport& e) { episodes.push_back(e); },
                      .warn = [&](const std::string&) { ++warnings; }},
                     0);
  for (int i = 0; i < 3; ++i) ppo.step();
  ASSERT_TRUE(episodes.empty());
  const std::vector<double> moments = array_of<double>(ppo, "return_moments");
  ppo.explode();
  ppo.step();
  EXPECT_EQ(array_of<double>(ppo, "return_moments"), moments) << "no reward is made up";
  const std::vector<float> broken = array_of(ppo, "steps.broken");
  EXPECT_EQ(std::vector<float>(broken.begin(), broken.begin() + 4),
            (std::vector<float>{0, 0, 0, 1}));
  EXPECT_EQ(warnings, 1);
  EXPECT_EQ(ppo.environments().num_broken(), 1);
  ASSERT_EQ(episodes.size(), 1u);
  EXPECT_TRUE(episodes[0].broken);
  EXPECT_EQ(episodes[0].length, 3);
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(ppo.step());  // its losses are finite
  EXPECT_GT(ppo.num_updates(), 0);
}

TEST(PpoTest, TheLoopEvaluatesAndSavesWhereAStepPassesTheInterval) {
  Config config = small_config();
  config.loop.num_env_steps = 40;
  config.eval.interval = 10;
  config.checkpoint.interval = 20;
  Session s(config);
  std::vector<std::int64_t> evaluations, checkpoints;
  const LoopHooks hooks{.stop_requested = [] { return false; },
                        .evaluate = [&] { evaluations.push_back(s.ppo.env_steps()); },
                        .checkpoint = [&] { checkpoints.push_back(s.ppo.env_steps()); },
                        .tick = [] {}};
  EXPECT_TRUE(run_loop(s.ppo, config, hooks));
  EXPECT_EQ(evaluations, (std::vector<std::int64_t>{12, 21, 30, 42}));
  EXPECT_EQ(checkpoints, (std::vector<std::int64_t>{21, 42}));
}

TEST(PpoTest, SwingsThePendulumUp) {
  Config config;
  config.algorithm = "ppo";
  config.env.name = "pendulum";
  config.ppo.num_envs = 4;
  config.ppo.steps_per_update = 256;
  config.ppo.learning_rate = 1e-3f;
  Session s(config);
  const double before = s.ppo.evaluate(20).mean_return();
  while (s.ppo.env_steps() < 60 * 1024) s.ppo.step();
  const double after = s.ppo.evaluate(20).mean_return();
  EXPECT_LT(before, -900.0);
  EXPECT_GT(after, -350.0) << "a policy that holds the pendulum up loses 150 on the way there";
}

}  // namespace
}  // namespace mbrl
