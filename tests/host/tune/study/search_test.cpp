// Tests for host/config/search_space.{h,cpp} and host/tune/study/{sampling,hyperband}.{h,cpp}: what
// may be searched, and which trials a search has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "host/config/fields.h"
#include "host/tune/study/hyperband.h"
#include "host/tune/study/sampling.h"
#include "tests/host/config/config_errors.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

SearchSpace space(const std::string& json) {
  return search_space_from_json(Json::parse(json), "x.json");
}
std::string error(const std::string& json) {
  return config_error([&] { space(json); });
}

constexpr char kSpace[] = R"({
  "sac.learning_rate": {"low": 1e-5, "high": 1e-2, "log": true},
  "sac.batch_size": {"low": 16, "high": 64, "log": true},
  "loop.real_ratio": {"low": 0, "high": 1},
  "sac.hidden_sizes": {"choices": [[64, 64], [256]]},
  "sac.update_order": {"choices": ["sequential", "simultaneous"]}
})";

TEST(SearchSpaceTest, IsPrintedAndReadBackAndKeptByAConfig) {
  const SearchSpace all = space(kSpace);
  EXPECT_EQ(search_space_from_json(to_json(all), "again"), all);
  EXPECT_THAT(search_space_text(all),
              HasSubstr("{sac.learning_rate: 1e-05 to 0.01 log, sac.batch_size: 16 to 64 int log"));
  Config config;
  set_field(config, *find_field("tune.space"), Json::parse(kSpace), "x.json");
  EXPECT_EQ(config.tune.space, all);
  EXPECT_EQ(field_value(config, *find_field("tune.space")), to_json(all));
}

TEST(SearchSpaceTest, DifferencesNameTheEntries) {
  const SearchSpace a = space(R"({"sac.tau": {"low": 0.1, "high": 0.5},
                                  "sac.discount": {"low": 0.9, "high": 0.99}})");
  const SearchSpace b = space(R"({"sac.tau": {"low": 0.1, "high": 0.6},
                                  "sac.batch_size": {"choices": [32, 64]}})");
  EXPECT_THAT(space_differences(a, b),
              ElementsAre("tune.space.sac.tau differs (0.1 to 0.5 -> 0.1 to 0.6)",
                          "tune.space.sac.discount is gone (0.9 to 0.99)",
                          "tune.space.sac.batch_size is new (32|64)"));
  EXPECT_TRUE(space_differences(a, a).empty());
}

TEST(SearchSpaceTest, WhatIsWrongIsRefusedByNameWithTheWayOut) {
  EXPECT_THAT(error("[]"), HasSubstr("x.json: tune.space is []; expected an object"));
  EXPECT_THAT(error(R"({"sac.learning_rat": {"low": 1, "high": 2}})"),
              HasSubstr("Did you mean sac.learning_rate?"));
  const auto of_rate = [](const std::string& entry) {
    return error("{\"sac.learning_rate\": " + entry + "}");
  };
  EXPECT_THAT(of_rate("3"), HasSubstr("tune.space.sac.learning_rate is 3; expected {"));
  EXPECT_THAT(of_rate(R"({"low": 1e-2, "high": 1e-4})"),
              HasSubstr("has low = 0.01 above high = 0.0001; exchange them"));
  EXPECT_THAT(of_rate(R"({"low": 1e-2, "high": 1e-2})"), HasSubstr("leaves nothing to choose"));
  EXPECT_THAT(of_rate(R"({"low": 1e-4})"), HasSubstr("has no high"));
  EXPECT_THAT(of_rate(R"({})"), HasSubstr("has no low"));
  EXPECT_THAT(of_rate(R"({"low": 0, "high": 1, "log": true})"),
              HasSubstr("has low = 0, which the key does not take"));
  EXPECT_THAT(of_rate(R"({"low": "a", "high": 1})"), HasSubstr("expected a number"));
  EXPECT_THAT(of_rate(R"({"low": 1e-4, "high": 1, "lgo": true})"), HasSubstr("Did you mean log?"));
  EXPECT_THAT(of_rate(R"({"low": 1e-4, "high": 1, "log": 1})"), HasSubstr("true or false"));
  EXPECT_THAT(of_rate(R"({"low": 0.5, "high": 2, "int": true})"), HasSubstr("a whole number"));
  EXPECT_THAT(of_rate(R"({"choices": [1e-3, 1e-4], "low": 1})"), HasSubstr("keep one of the two"));
  EXPECT_THAT(of_rate(R"({"choices": [1e-3]})"), HasSubstr("two or more values"));
  EXPECT_THAT(of_rate(R"({"choices": [1e-3, 1e-3]})"), HasSubstr("twice; leave one out"));
  EXPECT_THAT(of_rate(R"({"choices": [0.5, 1, 1.0]})"), HasSubstr("has the choice 1 twice"));
  EXPECT_THAT(error(R"({"sac.hidden_sizes": {"choices": [[64, 64], [64], [64, 64.0]]}})"),
              HasSubstr("twice; leave one out"));
  EXPECT_THAT(of_rate(R"({"choices": [1e-3, "high"]})"),
              HasSubstr("has the choice \"high\", which the key does not take"));
  EXPECT_THAT(error(R"({"loop.real_ratio": {"low": 0, "high": 1, "log": true}})"),
              HasSubstr("has log, and low = 0, which has no logarithm"));
  EXPECT_THAT(error(R"({"sac.batch_size": {"low": 1.5, "high": 4}})"), HasSubstr("whole number"));
  EXPECT_THAT(error(R"({"sac.hidden_sizes": {"low": 1, "high": 4}})"), HasSubstr("choices"));
  EXPECT_THAT(error(R"({"seed": {"low": 1, "high": 4}})"), HasSubstr("tune.seeds"));
  EXPECT_THAT(error(R"({"env.name": {"choices": ["hopper", "ant"]}})"), HasSubstr("a study for"));
  EXPECT_THAT(error(R"({"log.interval": {"low": 1, "high": 4}})"), HasSubstr("changes nothing"));
}

TEST(SamplingTest, DrawsLieInTheSpaceAndAreAFunctionOfSeedAndNumber) {
  const SearchSpace all = space(kSpace);
  std::set<int> sizes;
  int num_small = 0, num_first = 0;
  for (int i = 0; i < 2000; ++i) {
    const TrialValues values = draw_trial(all, 3, static_cast<std::uint64_t>(i));
    const auto rate = values[0].get<double>();
    EXPECT_GE(rate, 1e-5);
    EXPECT_LE(rate, 1e-2);
    num_small += rate < 1e-4;
    sizes.insert(values[1].get<int>());
    num_first += values[3] == Json::parse("[64,64]");
    with_values(Config{}, all, values);
  }
  // a decade of three; a choice of two
  EXPECT_NEAR(num_small, 2000 / 3, 90);
  EXPECT_NEAR(num_first, 1000, 100);
  EXPECT_EQ(*sizes.begin(), 16);
  EXPECT_EQ(*sizes.rbegin(), 64);
  EXPECT_EQ(draw_trial(all, 3, 7), draw_trial(all, 3, 7));
  EXPECT_NE(draw_trial(all, 3, 7), draw_trial(all, 4, 7));
}

TEST(SamplingTest, WholeNumbersAreAllAsLikely) {
  const SearchSpace epochs = space(R"({"model.max_epochs": {"low": 3, "high": 5}})");
  int count[6] = {};
  for (int i = 0; i < 3000; ++i)
    ++count[draw_trial(epochs, 0, static_cast<std::uint64_t>(i))[0].get<int>()];
  for (int value = 3; value <= 5; ++value) EXPECT_NEAR(count[value], 1000, 110);
}

TEST(SamplingTest, AGridHasBothEndsAndAllChoices) {
  const SearchSpace two = space(R"({"sac.learning_rate": {"low": 1e-4, "high": 1e-2, "log": true},
                                    "sac.batch_size": {"choices": [32, 64]}})");
  const std::vector<TrialValues> trials = grid_trials(two, 3, 100);
  ASSERT_EQ(trials.size(), 6u);
  EXPECT_THAT(trials[0], ElementsAre(Json(1e-4), Json(32)));
  EXPECT_THAT(trials[3], ElementsAre(Json(1e-3), Json(64)));
  EXPECT_THAT(trials[5], ElementsAre(Json(1e-2), Json(64)));
  // no more whole numbers than there are
  EXPECT_EQ(grid_trials(space(R"({"model.max_epochs": {"low": 3, "high": 4}})"), 9, 100).size(),
            2u);
  EXPECT_THAT(config_error([&] { grid_trials(two, 60, 100); }), HasSubstr("Lower tune.points"));
}

TEST(SamplingTest, TheWordsOfACommandSetTheSame) {
  const SearchSpace all = space(kSpace);
  const TrialValues values{Json(0.00031), Json(32), Json(0.5), Json::parse("[64,64]"),
                           Json("sequential")};
  EXPECT_THAT(override_words(all, values),
              ElementsAre("sac.learning_rate=0.00031", "sac.batch_size=32", "loop.real_ratio=0.5",
                          "sac.hidden_sizes=[64,64]", "sac.update_order=sequential"));
}

TEST(HyperbandTest, BracketsAreThoseOfTheReference) {
  // 8 to 80 and 33 to 300 by 3
  EXPECT_THAT(hyperband_bracket(8, 80, 3, 0), ElementsAre(Rung{9, 8}, Rung{3, 26}, Rung{1, 80}));
  EXPECT_THAT(hyperband_bracket(8, 80, 3, 1), ElementsAre(Rung{3, 26}, Rung{1, 80}));
  EXPECT_THAT(hyperband_bracket(8, 80, 3, 2), ElementsAre(Rung{3, 80}));
  EXPECT_EQ(hyperband_bracket(8, 80, 3, 3), hyperband_bracket(8, 80, 3, 0));
  EXPECT_THAT(hyperband_bracket(33, 300, 3, 0),
              ElementsAre(Rung{9, 33}, Rung{3, 100}, Rung{1, 300}));
  EXPECT_THAT(hyperband_bracket(33, 300, 3, 1), ElementsAre(Rung{3, 100}, Rung{1, 300}));
  EXPECT_THAT(hyperband_bracket(33, 300, 3, 2), ElementsAre(Rung{3, 300}));
  const auto steps = [](std::int64_t low, std::int64_t high) {
    std::int64_t sum = 0;
    for (int j = 0; j < 15; ++j)
      for (const Rung& rung : hyperband_bracket(low, high, 3, j))
        sum += rung.num_trials * rung.steps;
    return sum;
  };
  EXPECT_EQ(steps(8, 80), 3140);
  EXPECT_EQ(steps(33, 300), 11985);
  // one budget, and powers that are whole
  EXPECT_THAT(hyperband_bracket(80, 80, 3, 0), ElementsAre(Rung{1, 80}));
  EXPECT_THAT(hyperband_bracket(1, 81, 3, 0),
              ElementsAre(Rung{81, 1}, Rung{27, 3}, Rung{9, 9}, Rung{3, 27}, Rung{1, 81}));
}

}  // namespace
}  // namespace mbrl
