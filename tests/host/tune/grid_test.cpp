// Tests for host/tune/grid.{h,cpp}: lists of values on the command line.
#include "host/tune/grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/host/config/config_errors.h"

namespace mbrl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> values(const std::string& text) { return parse_grid({text}).at(0).values; }
std::string error(const std::vector<std::string>& texts) {
  return config_error([&] { parse_grid(texts); });
}

TEST(GridTest, ValuesStandBetweenCommas) {
  EXPECT_THAT(values("sac.learning_rate=1e-4,3e-4"), ElementsAre("1e-4", "3e-4"));
  EXPECT_THAT(values("seed=7"), ElementsAre("7"));
  EXPECT_THAT(values("env.name=hopper,ant"), ElementsAre("hopper", "ant"));
  EXPECT_THAT(values("autombpo.baseline="), ElementsAre(""));
}

TEST(GridTest, BracketsAndQuotesHoldTheirCommas) {
  EXPECT_THAT(values("sac.hidden_sizes=[64,64],[256,256]"), ElementsAre("[64,64]", "[256,256]"));
  EXPECT_THAT(values("sac.hidden_sizes=[64]"), ElementsAre("[64]"));
  EXPECT_THAT(values(R"(mjcf.model="a,b.xml","c \" .xml")"),
              ElementsAre(R"("a,b.xml")", R"("c \" .xml")"));
}

TEST(GridTest, RangesHaveBothEnds) {
  EXPECT_THAT(values("seed=0..4"), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_THAT(values("seed=0..8..2"), ElementsAre("0", "2", "4", "6", "8"));
  EXPECT_THAT(values("seed=3..3"), ElementsAre("3"));
  EXPECT_THAT(values("seed=0..5..3,9"), ElementsAre("0", "3", "9"));
  // a path may go up
  EXPECT_THAT(values("mjcf.model=../robot.xml"), ElementsAre("../robot.xml"));
}

TEST(GridTest, ThePointsAreAllCombinationsTheLastKeyFastest) {
  const std::vector<GridAxis> axes = parse_grid({"sac.batch_size=32,64", "seed=0..2"});
  EXPECT_EQ(axes[0].override_text(1), "sac.batch_size=64");
  EXPECT_THAT(grid_points(axes),
              ElementsAre(ElementsAre(0, 0), ElementsAre(0, 1), ElementsAre(0, 2),
                          ElementsAre(1, 0), ElementsAre(1, 1), ElementsAre(1, 2)));
  EXPECT_EQ(grid_points({}).size(), 1u);
}

TEST(GridTest, WhatIsWrongIsRefusedByNameWithTheWayOut) {
  EXPECT_THAT(error({"hopper"}), HasSubstr("hopper is no key with values; expected key=A,B"));
  EXPECT_THAT(error({"=1"}), HasSubstr("expected key=A,B"));
  EXPECT_THAT(error({"sac.learning_rat=1"}), HasSubstr("Did you mean sac.learning_rate?"));
  EXPECT_THAT(error({"sac.batch_size=32,x"}), HasSubstr("sac.batch_size"));
  EXPECT_THAT(error({"env.name=hopper,hoper"}), HasSubstr("env.name"));
  EXPECT_THAT(error({"seed=0,,1"}), HasSubstr("seed has an empty value in seed=0,,1"));
  EXPECT_THAT(error({"seed="}), HasSubstr("seed has an empty value"));
  EXPECT_THAT(error({"seed=1,2,1"}), HasSubstr("seed has the value 1 twice; leave one"));
  EXPECT_THAT(error({"seed=0..3,2"}), HasSubstr("seed has the value 2 twice"));
  EXPECT_THAT(error({"sac.learning_rate=1e-4,0.0001"}), HasSubstr("twice, as "));
  EXPECT_THAT(error({"seed=0", "seed=1"}), HasSubstr("seed is given twice"));
  EXPECT_THAT(error({"seed=4..0"}), HasSubstr("goes down; write seed=0..4"));
  EXPECT_THAT(error({"seed=0..8..0"}), HasSubstr("seed=0..8..0 is no range"));
  EXPECT_THAT(error({"sac.learning_rate=0.1..0.5"}), HasSubstr("expected whole numbers"));
  EXPECT_THAT(error({"seed=0..999999999"}), HasSubstr("at most 10000 runs"));
  EXPECT_THAT(error({"seed=0..999", "sac.batch_size=1..11"}), HasSubstr("there are 11000 runs"));
  EXPECT_THAT(error({"sac.hidden_sizes=[64,64"}), HasSubstr("a bracket that is not closed"));
  EXPECT_THAT(error({"sac.hidden_sizes=64]"}), HasSubstr("a bracket that is not closed"));
  EXPECT_THAT(error({"mjcf.model=\"a"}), HasSubstr("a quote that is not closed"));
}

}  // namespace
}  // namespace mbrl
