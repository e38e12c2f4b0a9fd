// Tests for host/algo/can_train.{h,cpp}.
#include "host/algo/can_train.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/error.h"
#include "envs/env.h"
#include "envs/tasks/planner.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

EnvSpec spec(const char* name) {
  for (const EnvSpec& env : list_envs())
    if (env.name == name) return env;
  throw std::runtime_error(name);
}

struct Verdict {
  std::string error, warning;
};
Verdict verdict(const Config& config, const char* env) {
  Verdict v;
  try {
    check_can_train(config, spec(env), [&](const std::string& text) { v.warning = text; });
  } catch (const ConfigError& error) {
    v.error = error.what();
  }
  return v;
}

Config of(const char* algorithm, int steps, int exploration, int min_replay) {
  Config config;
  config.algorithm = algorithm;
  config.loop.num_env_steps = steps;
  config.loop.num_exploration_steps = exploration;
  config.loop.min_replay_size = min_replay;
  return config;
}

TEST(CanTrainTest, TasksThatOnlyTheClockEndsAreKnown) {
  for (const char* name : {"pendulum", "halfcheetah", "swimmer", "reacher"})
    EXPECT_FALSE(may_terminate(spec(name))) << name;
  for (const char* name : {"hopper", "walker2d", "ant", "humanoid", "cartpole", "inverted_pendulum",
                           "inverted_double_pendulum", "hopper_bullet"})
    EXPECT_TRUE(may_terminate(spec(name))) << name;
}

TEST(CanTrainTest, ARunThatCanLearnIsNotSpokenOf) {
  for (const char* algorithm : {"mbpo", "mbpo_newest", "sac"}) {
    const Verdict v = verdict(of(algorithm, 125000, 5000, 1000), "hopper");
    EXPECT_EQ(v.error, "");
    EXPECT_EQ(v.warning, "");
  }
  // the very first update of the last step
  EXPECT_EQ(verdict(of("sac", 401, 400, 400), "pendulum").error, "");
  EXPECT_NE(verdict(of("sac", 400, 400, 400), "pendulum").error, "");
  EXPECT_EQ(verdict(of("sac", 600, 200, 600), "pendulum").error, "");
  EXPECT_NE(verdict(of("sac", 599, 200, 600), "pendulum").error, "");
}

TEST(CanTrainTest, PlanningNeedsATrialAfterTheRandomOnes) {
  // of 200 steps each
  EXPECT_EQ(verdict(of("pets", 400, 200, 1), "pendulum").warning, "");
  EXPECT_EQ(verdict(of("pets", 200, 200, 1), "pendulum").error,
            "nothing would be learned: random trials take 200 steps (loop.num_exploration_steps is "
            "200, and a trial has 200) of the 200 of loop.num_env_steps. Raise loop.num_env_steps "
            "to 400 or more.");
  const Verdict cut = verdict(of("pets", 399, 1, 1), "pendulum");
  EXPECT_EQ(cut.error, "");
  EXPECT_THAT(cut.warning, HasSubstr("no trial is planned to its end: random trials take 200"));
  EXPECT_THAT(verdict(of("pets", 450, 201, 1), "pendulum").warning,
              HasSubstr("Raise loop.num_env_steps to 600 or more."));
}

TEST(CanTrainTest, ASearchIsOneThatItsEnvironmentHas) {
  Config c = of("pets", 4000, 200, 1);
  c.planner.horizon = 908;
  EXPECT_EQ(verdict(c, "daisy").error, "");
  c.planner.horizon = 909;
  EXPECT_EQ(
      verdict(c, "daisy").error,
      "planner.horizon is 909; with 18 actions of daisy a plan has up to 908 steps. Set it to "
      "908 or less.");
  EXPECT_EQ(verdict(c, "pendulum").error, "");
  c.planner.horizon = 30;
  c.planner.max_horizon = 1000;
  EXPECT_THAT(verdict(c, "daisy").error, HasSubstr("planner.max_horizon is 1000; with 18"));

  // the variance of a search's first candidates is a quarter, in squares of the control's unit
  c = of("pets", 400, 200, 1);
  const float first =
      0.25f * action_scale(spec("pendulum").task) * action_scale(spec("pendulum").task);
  for (const char* method : {"cem", "icem", "random", "mppi"}) {
    c.planner.method = method;
    c.planner.min_variance = std::nextafter(first, 0.0f);
    EXPECT_EQ(verdict(c, "pendulum").error, "") << method;
    c.planner.min_variance = first;
    const bool refines = std::string(method).ends_with("cem");
    EXPECT_EQ(verdict(c, "pendulum").error.empty(), !refines) << method;
  }
  c.planner.method = "cem";
  c.planner.min_variance = 5.0f;
  EXPECT_EQ(
      verdict(c, "pendulum").error,
      fmt::format("planner.min_variance is 5, and a search for actions of pendulum begins with "
                  "a variance of {}: it would end before a candidate is tried. Set "
                  "planner.min_variance below that.",
                  first));
}

TEST(CanTrainTest, ModelsThatForgetTrialsAreSpokenOf) {
  Config c = of("pets", 400, 200, 1);
  c.loop.replay_capacity = 400;
  EXPECT_EQ(verdict(c, "pendulum").warning, "");
  c.loop.replay_capacity = 399;
  EXPECT_EQ(verdict(c, "pendulum").warning,
            "the model forgets the run's first trials: loop.replay_capacity keeps 399 transitions "
            "of 400 (loop.num_env_steps). Raise it to 400.");
}

TEST(CanTrainTest, ExplorationThatTakesAllStepsIsRefused) {
  for (const char* algorithm : {"mbpo", "mbpo_newest", "sac"})
    for (const char* env : {"pendulum", "hopper"})
      EXPECT_THAT(verdict(of(algorithm, 4000, 5000, 1000), env).error,
                  HasSubstr("exploration takes all 4000 steps, as loop.num_exploration_steps is "
                            "5000"));
}

TEST(CanTrainTest, AReplayThatNeverFillsIsRefused) {
  EXPECT_THAT(verdict(of("sac", 4000, 100, 5000), "hopper").error,
              HasSubstr("waits for loop.min_replay_size = 5000 transitions of 4000"));
}

TEST(CanTrainTest, EpisodesThatOutlastTheRunAreRefusedWhereNothingElseEndsThem) {
  Config config = of("mbpo", 600, 200, 200);
  config.env.max_episode_steps = 100000;
  const Verdict pendulum = verdict(config, "pendulum");
  EXPECT_EQ(pendulum.error,
            "nothing would be learned: the replay sees an episode when it ends "
            "(loop.pool_insertion), and episodes take up to 100000 steps: with "
            "loop.num_exploration_steps = 200 and loop.min_replay_size = 200 the first update may "
            "come after 100001 steps of 600. Raise loop.num_env_steps, or lower "
            "env.max_episode_steps, or set loop.pool_insertion=step.");
  const Verdict hopper = verdict(config, "hopper");
  EXPECT_EQ(hopper.error, "");
  EXPECT_THAT(hopper.warning, HasSubstr("nothing may be learned unless episodes end early"));
  config.loop.pool_insertion = "step";
  EXPECT_EQ(verdict(config, "pendulum").error, "");
}

TEST(CanTrainTest, PpoNeedsAWholeCollection) {
  Config config = of("ppo", 2047, 5000, 1000);
  EXPECT_EQ(verdict(config, "hopper").error,
            "loop.num_env_steps is 2047, fewer than the 1 x 2048 steps of ppo.num_envs and "
            "ppo.steps_per_update that the first update learns from, so nothing would be learned. "
            "Raise loop.num_env_steps to 2048 or more, or lower ppo.steps_per_update.");
  config.loop.num_env_steps = 2048;
  EXPECT_EQ(verdict(config, "hopper").error, "");
  // the last round of eight ends at 16384
  config.ppo.num_envs = 8;
  config.loop.num_env_steps = 16377;
  EXPECT_EQ(verdict(config, "hopper").error, "");
  config.loop.num_env_steps = 16376;
  EXPECT_NE(verdict(config, "hopper").error, "");
}

TEST(CanTrainTest, HyperEpisodesAreAsLongAsTheirEpochs) {
  Config config = of("autombpo", 1, 400, 400);
  config.loop.epoch_length = 100;
  config.autombpo.train_epochs = 3;
  config.autombpo.eval_epochs = 8;
  EXPECT_EQ(verdict(config, "pendulum").error, "");
  config.loop.min_replay_size = 701;
  EXPECT_THAT(verdict(config, "pendulum").error,
              HasSubstr("Raise autombpo.train_epochs, or lower what the first update waits for."));
}

TEST(CanTrainTest, NoUpdatesAtAllAreSpokenOf) {
  Config config = of("sac", 4000, 400, 400);
  config.sac.updates_per_step = 0;
  EXPECT_EQ(verdict(config, "pendulum").warning,
            "nothing will be learned: sac.updates_per_step is 0.");
  config.algorithm = "autombpo";
  EXPECT_EQ(verdict(config, "pendulum").warning, "");
}

}  // namespace
}  // namespace mbrl
