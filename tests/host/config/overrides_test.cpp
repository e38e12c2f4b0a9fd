// Tests for host/config/overrides.{h,cpp}.
#include "host/config/overrides.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/host/config/config_errors.h"

namespace mbrl {
namespace {

Config with(const std::string& assignment) {
  Config config;
  apply_override(config, assignment);
  return config;
}

std::string error_of(const std::string& assignment) {
  return config_error([&] { with(assignment); });
}

TEST(OverridesTest, ValuesAreJson) {
  EXPECT_EQ(with("model.learning_rate=1e-4").model.learning_rate, 1e-4f);
  EXPECT_EQ(with("seed=7").seed, 7);
  EXPECT_EQ(with("sac.auto_target_entropy=false").sac.auto_target_entropy, false);
  EXPECT_EQ(with("rollout.schedule=[20,150,1,25]").rollout.schedule,
            (std::vector<float>{20, 150, 1, 25}));
  EXPECT_EQ(with("sac.hidden_sizes=[64, 32]").sac.hidden_sizes, (std::vector<int>{64, 32}));
}

TEST(OverridesTest, TheZeroBeforeAPointMayBeLeftOut) {
  EXPECT_EQ(with("sac.discount=.98").sac.discount, 0.98f);
  EXPECT_EQ(with("sac.target_entropy=-.5").sac.target_entropy, -0.5f);
  EXPECT_EQ(with("model.weight_decay=[.1,0.2, .3,10.5]").model.weight_decay,
            (std::vector<float>{0.1f, 0.2f, 0.3f, 10.5f}));
  EXPECT_EQ(with("mjcf.model=.5").env.mjcf.model, ".5");
  EXPECT_THAT(error_of("sac.discount=.x"), testing::HasSubstr("expected a number in [0, 1]"));
}

TEST(OverridesTest, ForeignTextIsBoundedAndShown) {
  const std::string deep(100000, '[');
  EXPECT_THAT(error_of("model.weight_decay=" + deep + std::string(100000, ']')),
              testing::HasSubstr("model.weight_decay is nested more than 64 levels deep"));
  std::string text(1 << 20, 'a');
  text += "\x1b=1";
  const std::string error = error_of(text);
  EXPECT_LT(error.size(), 1000u);
  EXPECT_THAT(error, testing::HasSubstr("aaa... is unknown"));
  EXPECT_THAT(error_of("a\x1b[31m=1"), testing::HasSubstr("a\\x1b[31m is unknown"));
}

TEST(OverridesTest, TextNeedsNoQuotes) {
  EXPECT_EQ(with("env.name=hopper").env.name, "hopper");
  EXPECT_EQ(with("env.name=\"hopper\"").env.name, "hopper");
  EXPECT_EQ(with("name=007").name, "007");
  EXPECT_EQ(with("name=a=b").name, "a=b");
}

TEST(OverridesTest, ListsOfNamesNeedNeitherQuotesNorBrackets) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(with("controller.apply=real_ratio,model").controller.apply,
            (Names{"real_ratio", "model"}));
  EXPECT_EQ(with("controller.apply=updates").controller.apply, Names{"updates"});
  EXPECT_EQ(with("controller.apply=[\"updates\", \"model\"]").controller.apply,
            (Names{"updates", "model"}));
  EXPECT_NE(error_of("controller.apply="), "no error");
  EXPECT_NE(error_of("controller.apply=model,"), "no error");
  EXPECT_EQ(
      error_of("controller.apply=real_ratio,modle"),
      "command line: controller.apply is [\"real_ratio\",\"modle\"], a list of 2; expected a "
      "list of some of real_ratio, model, updates, rollout_length (heads whose decisions take "
      "effect; the others' hyperparameters follow the config). There is no modle. Did you "
      "mean model?");
}

TEST(OverridesTest, ErrorsNameTheKeyTheValueAndWhatIsExpected) {
  EXPECT_EQ(
      error_of("loop.real_ratio=1.5"),
      "command line: loop.real_ratio is 1.5; expected a number in [0, 1] (share of real rows in a "
      "policy batch, rounded down to rows; at 1 no model is fitted).");
  EXPECT_EQ(
      error_of("rollout.schedule=[1,2,3]"),
      "command line: rollout.schedule is [1,2,3], a list of 3; expected a list of 4 numbers >= 0 "
      "(rollout length over epochs: [first epoch, last epoch, first length, last length]).");
  EXPECT_EQ(
      error_of("rollout.schedule=[1,2"),
      "command line: rollout.schedule is \"[1,2\", a string; expected a list of 4 numbers >= 0 "
      "(rollout length over epochs: [first epoch, last epoch, first length, last length]).");
  EXPECT_EQ(
      error_of("seed="),
      "command line: seed is \"\", a string; expected an integer >= 0 (key of all random draws of "
      "the run).");
  EXPECT_EQ(
      error_of("model.learning_rat=1"),
      "command line: model.learning_rat is unknown. Did you mean model.learning_rate? `mbrl_gpu "
      "config keys model` lists all.");
}

TEST(OverridesTest, AKeyThatComesTwiceInAValueIsRefused) {
  EXPECT_EQ(
      error_of(R"(tune.space={"sac.tau":{"low":0.1,"high":0.2},"sac.tau":{"low":0.1,"high":1}})"),
      "command line: tune.space: sac.tau appears twice; keep one of them.");
}

TEST(OverridesTest, ANumberTooLargeForADoubleIsRefused) {
  EXPECT_NE(error_of("model.learning_rate=1e999"), "no error");
}

TEST(OverridesTest, AWordWithoutEqualsSignIsNotAnOverride) {
  EXPECT_EQ(error_of("hopper"),
            "command line: hopper is not an override; expected key=value, such as "
            "sac.learning_rate=3e-4.");
  EXPECT_NE(error_of("=3"), "no error");
}

}  // namespace
}  // namespace mbrl
