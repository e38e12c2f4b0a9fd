// Tests for host/config/check.{h,cpp}.
#include "host/config/check.h"

#include <gtest/gtest.h>

#include "tests/host/config/config_errors.h"

namespace mbrl {
namespace {

// the error after `change` was made to the defaults
template <typename Change>
std::string error_after(Change change) {
  Config config;
  change(config);
  return config_error([&] { check_config(config, "x.json"); });
}

TEST(CheckConfigTest, TheDefaultsHold) { EXPECT_NO_THROW(check_config(Config{})); }

TEST(CheckConfigTest, ElitesAreMembersOfTheEnsemble) {
  EXPECT_EQ(
      error_after([](Config& c) { c.model.num_elites = 8; }),
      "x.json: model.num_elites is 8, more than the 7 members of model.ensemble_size; lower the "
      "one or raise the other.");
  EXPECT_EQ(error_after([](Config& c) { c.model.num_elites = 7; }), "no error");
}

TEST(CheckConfigTest, WeightDecayHasOneValuePerLayer) {
  EXPECT_EQ(
      error_after([](Config& c) { c.model.num_hidden_layers = 3; }),
      "x.json: model.weight_decay has 5 values; model.num_hidden_layers = 3 needs 4, one for each "
      "layer from first to last.");
}

TEST(CheckConfigTest, LogVarianceBoundsAreOrdered) {
  EXPECT_EQ(
      error_after([](Config& c) { c.model.init_max_logvar = -10; }),
      "x.json: model.init_min_logvar is -10; expected less than model.init_max_logvar, which is "
      "-10.");
}

TEST(CheckConfigTest, RolloutScheduleRunsForwardWithLengthsOfAtLeastOne) {
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

TEST(CheckConfigTest, ATargetEntropyThatWouldBeIgnoredIsAnError) {
  EXPECT_EQ(
      error_after([](Config& c) { c.sac.target_entropy = -1; }),
      "x.json: sac.target_entropy is -1, but sac.auto_target_entropy = true takes minus the action "
      "size instead. Set sac.auto_target_entropy=false to use it.");
}

TEST(CheckConfigTest, SacTrainsOnRealRowsOnly) {
  EXPECT_EQ(error_after([](Config& c) { c.algorithm = "sac"; }),
            "x.json: algorithm sac has no imagined data, so all rows of a batch are real; set "
            "loop.real_ratio=1 (found 0.05).");
}

TEST(CheckConfigTest, PpoBatchesTakeEveryStepOnce) {
  EXPECT_EQ(error_after([](Config& c) {
              c.ppo.num_envs = 3;
              c.ppo.steps_per_update = 100;
            }),
            "x.json: ppo.batch_size is 64, which does not divide the 3 x 100 steps of ppo.num_envs "
            "and ppo.steps_per_update; an epoch takes every step once.");
}

TEST(CheckConfigTest, TheReplayHoldsWhatTrainingWaitsFor) {
  EXPECT_EQ(
      error_after([](Config& c) { c.loop.replay_capacity = 500; }),
      "x.json: loop.min_replay_size is 1000, but loop.replay_capacity keeps only 500 transitions, "
      "so training would never start.");
}

TEST(CheckConfigTest, TheNameIsAFolders) {
  EXPECT_EQ(
      error_after([](Config& c) { c.name = "../up"; }),
      "x.json: name is \"../up\"; expected a folder's name of letters, digits, '.', '_' and '-'.");
  EXPECT_NE(error_after([](Config& c) { c.name = ""; }), "no error");
  EXPECT_NE(error_after([](Config& c) { c.name = "-x"; }), "no error");
  EXPECT_EQ(error_after([](Config& c) { c.name = "hopper-v2.1_b"; }), "no error");
}

}  // namespace
}  // namespace mbrl
