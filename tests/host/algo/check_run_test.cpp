// Tests for host/algo/checks.cpp, host/config/check.cpp and the checks of the algorithms.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "host/algo/resolve_config.h"
#include "host/schedule/rollout_schedule.h"
#include "tests/host/config/config_errors.h"

namespace mbrl {
namespace {

// the error after `change` was made to the defaults
template <typename Change>
std::string error_after(Change change) {
  Config config;
  change(config);
  return config_error([&] { check_run(config, "x.json"); });
}

TEST(CheckRunTest, TheDefaultsHold) { EXPECT_NO_THROW(check_run(Config{})); }

TEST(CheckRunTest, ElitesAreMembersOfTheEnsemble) {
  EXPECT_EQ(
      error_after([](Config& c) { c.model.num_elites = 8; }),
      "x.json: model.num_elites is 8, more than the 7 members of model.ensemble_size; lower the "
      "one or raise the other.");
  EXPECT_EQ(error_after([](Config& c) { c.model.num_elites = 7; }), "no error");
}

TEST(CheckRunTest, WeightDecayHasOneValuePerLayer) {
  EXPECT_EQ(
      error_after([](Config& c) { c.model.num_hidden_layers = 3; }),
      "x.json: model.weight_decay has 5 values; model.num_hidden_layers = 3 needs 4, one for each "
      "layer from first to last, or one for all of them.");
}

TEST(CheckRunTest, OneWeightDecayHoldsForEveryLayer) {
  EXPECT_EQ(error_after([](Config& c) { c.model.weight_decay = {1e-4f}; }), "no error");
}

// a run of PETS that is right
void plan(Config& c) {
  c.algorithm = "pets";
  c.env.name = "pendulum";
  c.model.ensemble_size = 5;
}

TEST(CheckRunTest, ATaskIsPlannedForWhereItsStepsHaveACost) {
  EXPECT_EQ(error_after(plan), "no error");
  EXPECT_THAT(error_after([](Config& c) {
                plan(c);
                c.env.name = "mjcf";
              }),
              testing::MatchesRegex("x.json: env.name is mjcf, whose steps have no cost in what a "
                                    "model predicts; algorithm pets plans for .*pendulum.*"));
}

TEST(CheckRunTest, ParticlesAreDealtToTheMembersEvenlyWhereTheyAreDealt) {
  const auto with = [](int particles, const char* propagation) {
    return error_after([=](Config& c) {
      plan(c);
      c.planner.particles = particles;
      c.planner.propagation = propagation;
    });
  };
  EXPECT_EQ(
      with(18, "ts_inf"),
      "x.json: planner.particles is 18 for 5 members: each must predict as many particles of a "
      "candidate. Set planner.particles to 15 or 20, or planner.propagation to e, ds or mm.");
  EXPECT_THAT(with(3, "ts1"), testing::HasSubstr("Set planner.particles to 5, or"));
  EXPECT_EQ(with(18, "ds"), "no error");
  EXPECT_EQ(with(25, "ts1"), "no error");
}

TEST(CheckRunTest, ASearchBeginsWithinTheMostThatItMayBecome) {
  EXPECT_EQ(error_after([](Config& c) {
              plan(c);
              c.planner.max_horizon = 29;
            }),
            "x.json: planner.horizon is 30, more than planner.max_horizon, which is 29; lower the "
            "one or raise the other (0: it stays at 30).");
  EXPECT_THAT(error_after([](Config& c) {
                plan(c);
                c.planner.max_population = 499;
              }),
              testing::HasSubstr("planner.population is 500, more than planner.max_population"));
  EXPECT_EQ(error_after([](Config& c) {
              plan(c);
              c.planner.max_horizon = 60;
              c.planner.max_population = 700;
              c.planner.max_particles = 20;
            }),
            "no error");
}

TEST(CheckRunTest, ElitesAreAShareOfTheCandidates) {
  // of every kind, down to one of one
  for (const double ratio : {1e-9, 0.5, 1.0})
    for (const int population : {1, 2, 500})
      EXPECT_EQ(error_after([=](Config& c) {
                  plan(c);
                  c.planner.elites_ratio = ratio;
                  c.planner.population = population;
                }),
                "no error")
          << ratio << " of " << population;
}

TEST(CheckRunTest, ASearchHasNoMoreOfAnythingThanItsDrawsTellApart) {
  EXPECT_EQ(error_after([](Config& c) {
              plan(c);
              c.planner.iterations = 256;
            }),
            "x.json: planner.iterations is 256; expected at most 255.");
  EXPECT_EQ(error_after([](Config& c) {
              plan(c);
              c.planner.max_horizon = 4096;
            }),
            "x.json: planner.max_horizon is 4096; expected at most 4095.");
  for (const char* key : {"planner.particles", "planner.max_particles"})
    EXPECT_EQ(error_after([=](Config& c) {
                plan(c);
                c.planner.propagation = "ds";
                (std::string(key) == "planner.particles" ? c.planner.particles
                                                         : c.planner.max_particles) = 1021;
              }),
              fmt::format("x.json: {} is 1021; expected at most 1020.", key));
  EXPECT_EQ(error_after([](Config& c) {
              plan(c);
              c.model.ensemble_size = c.planner.particles = 33;
            }),
            "x.json: model.ensemble_size is 33; plans are made with at most 32 members.");
}

TEST(CheckRunTest, PlanningBeginsWithARandomTrial) {
  EXPECT_THAT(error_after([](Config& c) {
                plan(c);
                c.loop.num_exploration_steps = 0;
              }),
              testing::HasSubstr("loop.num_exploration_steps is 0; pets needs at least 1"));
}

TEST(CheckRunTest, LogVarianceBoundsAreOrdered) {
  EXPECT_EQ(
      error_after([](Config& c) { c.model.init_max_logvar = -10; }),
      "x.json: model.init_min_logvar is -10; expected less than model.init_max_logvar, which is "
      "-10.");
}

TEST(CheckRunTest, RolloutScheduleRunsForwardWithLengthsOfAtLeastOne) {
  EXPECT_EQ(
      error_after([](Config& c) {
        c.rollout.schedule = {150, 20, 1, 15};
      }),
      "x.json: rollout.schedule starts at epoch 150 and ends at epoch 20; expected [first epoch, "
      "last epoch, first length, last length] with first epoch <= last epoch.");
  EXPECT_EQ(error_after([](Config& c) {
              c.rollout.schedule = {20, 150, 0, 15};
            }),
            "x.json: rollout.schedule goes from length 0 to length 15; expected [first epoch, last "
            "epoch, first length, last length] with lengths of at least 1 step.");
  EXPECT_EQ(error_after([](Config& c) { c.rollout.schedule = {20, 20, 15, 1}; }), "no error");
}

TEST(CheckRunTest, ATargetEntropyThatWouldBeIgnoredIsAnError) {
  EXPECT_EQ(
      error_after([](Config& c) { c.sac.target_entropy = -1; }),
      "x.json: sac.target_entropy is -1, but sac.auto_target_entropy = true takes minus the action "
      "size instead. Set sac.auto_target_entropy=false to use it.");
}

TEST(CheckRunTest, PpoBatchesTakeEveryStepOnce) {
  EXPECT_EQ(error_after([](Config& c) {
              c.algorithm = "ppo";
              c.ppo.num_envs = 3;
              c.ppo.steps_per_update = 100;
            }),
            "x.json: ppo.batch_size is 64, which does not divide the 3 x 100 steps of ppo.num_envs "
            "and ppo.steps_per_update; an epoch takes every step once.");
}

TEST(CheckRunTest, TheReplayHoldsWhatTrainingWaitsFor) {
  EXPECT_EQ(
      error_after([](Config& c) { c.loop.replay_capacity = 500; }),
      "x.json: loop.min_replay_size is 1000, but loop.replay_capacity keeps only 500 transitions, "
      "so training would never start.");
}

TEST(CheckRunTest, TheModelReplayHoldsARolloutOfTheShortestLength) {
  const auto change = [](Config& c) {
    c.rollout.batch_size = 1000;
    c.rollout.retain_epochs = 1;
    c.rollout.schedule = {1, 10, 1, 1};
    c.loop.model_train_interval = 200;
    c.loop.epoch_length = 200;
  };
  const auto error = [&](auto further) {
    return error_after([&](Config& c) {
      change(c);
      further(c);
    });
  };
  EXPECT_EQ(error([](Config&) {}), "no error");
  EXPECT_EQ(error([](Config& c) { c.loop.epoch_length = 150; }),
            "x.json: the model replay would hold 750 transitions at rollout length 1, fewer than "
            "the 1000 of rollout.batch_size that one step writes: loop.epoch_length = 150 is less "
            "than loop.model_train_interval = 200. Raise loop.epoch_length or "
            "rollout.retain_epochs, which is 1.");
  EXPECT_EQ(error([](Config& c) { c.rollout.interval = 300; }),
            "x.json: the model replay would hold 666 transitions at rollout length 1, fewer than "
            "the 1000 of rollout.batch_size that one step writes: loop.epoch_length = 200 is less "
            "than rollout.interval = 300. Raise loop.epoch_length or rollout.retain_epochs, which "
            "is 1.");
  // epochs that are kept make room, and so does length; the shortest counts
  const auto long_interval = [](Config& c) { c.rollout.interval = 300; };
  EXPECT_EQ(error([&](Config& c) {
              long_interval(c);
              c.rollout.retain_epochs = 2;
            }),
            "no error");
  EXPECT_EQ(error([&](Config& c) {
              long_interval(c);
              c.rollout.schedule = {1, 10, 2, 5};
            }),
            "no error");
  EXPECT_NE(error([&](Config& c) {
              long_interval(c);
              c.rollout.schedule = {1, 10, 5, 1};
            }),
            "no error");
  // who else has rollouts: default MBPO beside a controller's runs, unless it is there already
  const auto autombpo = [&](Config& c) {
    long_interval(c);
    c.algorithm = "autombpo";
    c.controller.interval = c.controller.rollout_interval = 50;
    c.eval.interval = c.loop.epoch_length;
  };
  EXPECT_NE(error(autombpo), "no error");
  EXPECT_EQ(error([&](Config& c) {
              autombpo(c);
              c.autombpo.baseline = "runs/mbpo";
            }),
            "no error");
  EXPECT_EQ(error([&](Config& c) {
              long_interval(c);
              c.algorithm = "ppo";
            }),
            "no error");
}

TEST(CheckRunTest, MbpoBeginsWithAFitToWhatExplorationFound) {
  const auto error = [](int steps, const char* insertion, const char* algorithm = "mbpo") {
    return error_after([&](Config& c) {
      c.algorithm = algorithm;
      c.loop.num_exploration_steps = steps;
      c.loop.pool_insertion = insertion;
    });
  };
  EXPECT_EQ(error(0, "episode"),
            "x.json: loop.num_exploration_steps is 0; mbpo needs at least 1, as it begins with a "
            "fit of the ensemble to what exploration has found.");
  EXPECT_EQ(error(1, "episode"), "no error");
  EXPECT_EQ(error(1, "step"),
            "x.json: loop.num_exploration_steps is 1; mbpo needs at least 2, as it begins with a "
            "fit of the ensemble to what exploration has found.");
  EXPECT_EQ(error(2, "step"), "no error");
  EXPECT_EQ(error(0, "episode", "ppo"), "no error");
}

// the error of a controller's config after `change`
template <typename Change>
std::string controller_error(const std::string& algorithm, Change change) {
  return error_after([&](Config& c) {
    c.algorithm = algorithm;
    if (algorithm == "mbpo") c.controller.file = "best.safetensors";
    change(c);
  });
}

TEST(CheckRunTest, AControllersIntervalsDivideAnEpoch) {
  for (const char* algorithm : {"mbpo", "autombpo"}) {
    EXPECT_EQ(controller_error(algorithm, [](Config&) {}), "no error");
    EXPECT_EQ(controller_error(algorithm, [](Config& c) { c.controller.interval = 300; }),
              "x.json: controller.interval is 300; expected a divisor of loop.epoch_length, which "
              "is 1000.");
    EXPECT_EQ(controller_error(algorithm, [](Config& c) { c.controller.rollout_interval = 400; }),
              "x.json: controller.rollout_interval is 400; expected a divisor of "
              "loop.epoch_length, which is 1000.");
  }
  EXPECT_EQ(error_after([](Config& c) { c.controller.interval = 300; }), "no error")
      << "there is no controller";
}

// apply holds every head by default
TEST(CheckRunTest, HeadsThatAreNotDecidedOnMayStandAmongThoseThatApply) {
  EXPECT_EQ(controller_error("autombpo",
                             [](Config& c) {
                               c.controller.heads = {"model", "updates"};
                             }),
            "no error");
}

TEST(CheckRunTest, AControllerSeesSomething) {
  const auto features = [](std::vector<std::string> list, std::vector<std::string> heads,
                           const std::string& stack) {
    return controller_error("autombpo", [&](Config& c) {
      c.controller.features = list;
      c.controller.heads = c.controller.apply = heads;
      c.controller.stack = stack;
    });
  };
  EXPECT_EQ(
      features({"values"}, {"model"}, "joint"),
      "x.json: controller.features = values gives a controller that decides on model no input; "
      "add another of samples, model_loss, critic_loss, policy_change, return, values.");
  EXPECT_NE(features({"values"}, {"model", "updates"}, "staged"), "no error");
  EXPECT_EQ(features({"values"}, {"model", "updates"}, "joint"), "no error");
  EXPECT_EQ(features({"samples"}, {"model"}, "joint"), "no error");
}

TEST(CheckRunTest, WhoeverTrainsAControllerPaysItOncePerEpoch) {
  const auto change = [](Config& c) { c.eval.interval = 500; };
  EXPECT_EQ(controller_error("autombpo", change),
            "x.json: eval.interval is 500, loop.epoch_length 1000; a controller is paid at the end "
            "of each epoch, so the two must be equal.");
  EXPECT_EQ(controller_error("mbpo", change), "no error");
}

TEST(CheckRunTest, UpdatesStartWithinTheirLimit) {
  EXPECT_EQ(
      controller_error("autombpo", [](Config& c) { c.controller.init_updates_per_step = 21; }),
      "x.json: controller.init_updates_per_step is 21, more than "
      "controller.max_updates_per_step, which is 20.");
}

TEST(CheckRunTest, LearnersAtATimeAreANumberOrAuto) {
  const auto error = [](const std::string& text) {
    return controller_error("autombpo", [&](Config& c) { c.population.concurrent = text; });
  };
  for (const char* good : {"auto", "1", "12"}) EXPECT_EQ(error(good), "no error");
  for (const char* bad : {"", "0", "-1", "two", "1.5", "99999"})
    EXPECT_EQ(error(bad), "x.json: population.concurrent is \"" + std::string(bad) +
                              "\"; expected auto or a number of learners from 1.");
}

TEST(CheckRunTest, TheNameIsAFolders) {
  EXPECT_EQ(
      error_after([](Config& c) { c.name = "../up"; }),
      "x.json: name is \"../up\"; expected a folder's name of letters, digits, '.', '_' and '-'.");
  EXPECT_NE(error_after([](Config& c) { c.name = ""; }), "no error");
  EXPECT_NE(error_after([](Config& c) { c.name = "-x"; }), "no error");
  EXPECT_EQ(error_after([](Config& c) { c.name = "hopper-v2.1_b"; }), "no error");
}

TEST(CheckRunTest, SizesThatNoMachineHoldsAreRefused) {
  constexpr int kHuge = std::numeric_limits<int>::max();
  EXPECT_EQ(error_after([](Config& c) {
              c.sac.hidden_sizes = {256, kHuge};
            }),
            "x.json: sac.hidden_sizes is 2147483647; expected at most 1000000.");
  EXPECT_NE(error_after([](Config& c) { c.model.hidden_size = kHuge; }), "no error");
  EXPECT_NE(error_after([](Config& c) { c.model.batch_size = kHuge; }), "no error");
  EXPECT_NE(error_after([](Config& c) { c.sac.batch_size = kHuge; }), "no error");
  EXPECT_NE(error_after([](Config& c) { c.rollout.batch_size = kHuge; }), "no error");
  EXPECT_NE(error_after([](Config& c) { c.ppo.num_envs = c.ppo.steps_per_update = 100000; }),
            "no error");
  EXPECT_EQ(error_after([](Config& c) {
              c.rollout.schedule = {0, 1, 1, 3e38f};
            }),
            "x.json: rollout.schedule goes from length 1 to length 3e+38; expected at most 1000000 "
            "steps.");
  // the largest there is still has a size
  Config config;
  config.rollout.schedule = {0, 1, 1, 1e6f};
  config.rollout.batch_size = config.rollout.retain_epochs = 1'000'000'000;
  EXPECT_EQ(model_replay_capacity(config, max_rollout_length(config)), 1'000'000'000'000'000u);
}

}  // namespace
}  // namespace mbrl
