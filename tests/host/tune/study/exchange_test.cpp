// Tests for host/tune/study/{exchange,population_record}.{h,cpp}: who copies whom, what becomes of the
// values, and that the record of it is the training that a member stands for.
#include "host/tune/study/exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;

const SearchDimension kRate{.key = "model.learning_rate", .low = 1e-5, .high = 4e-2, .log = true};
const SearchDimension kEpochs{.key = "model.epochs", .low = 3, .high = 20, .integer = true};
const SearchDimension kMethod{.key = "planner.method",
                              .choices = {"\"cem\"", "\"mppi\"", "\"icem\""}};
const SearchSpace kSpace{{kRate, kEpochs}};

TEST(TruncationTest, CountsAreThePublishedOnes) {
  EXPECT_EQ(truncation(40, 0.2), (Truncation{32, 8}));
  EXPECT_EQ(truncation(10, 0.2), (Truncation{8, 2}));
  EXPECT_EQ(truncation(2, 0.2), (Truncation{1, 1}));
  EXPECT_EQ(truncation(1, 0.2), (Truncation{0, 0}));
  // 0.2 x 35 is a little above 7 in doubles
  EXPECT_EQ(truncation(36, 0.2), (Truncation{28, 7}));
}

TEST(ChangedValueTest, TheUnitIntervalIsMultipliedAsTheAuthorsDo) {
  const auto factor = [](const SearchDimension& d, double value, bool up) {
    return changed_value(d, value, up, {}).get<double>() / value;
  };
  // "x1.2" and "x0.8" of a learning rate, in the middle of its range and near its end
  EXPECT_NEAR(place_of(kRate, 1e-3), 0.555, 1e-3);
  EXPECT_NEAR(factor(kRate, 1e-3, true), 2.51, 0.01);
  EXPECT_NEAR(factor(kRate, 1e-3, false), 0.40, 0.01);
  EXPECT_NEAR(factor(kRate, 2e-5, true), 1.15, 0.01);
  EXPECT_NEAR(factor(kRate, 2e-5, false), 0.87, 0.01);
  const SearchDimension decay{.key = "model.weight_decay", .low = 1e-7, .high = 1e-1, .log = true};
  EXPECT_NEAR(factor(decay, 7.5e-5, true), 3.8, 0.1);
  EXPECT_NEAR(factor(decay, 7.5e-5, false), 0.27, 0.01);
  EXPECT_EQ(changed_value(kRate, 4e-2, true, {}), 4e-2);
}

TEST(ChangedValueTest, AWholeNumberNearItsLowEndNeverMovesInTheUnitInterval) {
  for (int d = 0; d <= 17; ++d) {
    const auto moved = static_cast<int>(std::lround(0.2 * (d + 0.5) - 1e-5));
    EXPECT_EQ(changed_value(kEpochs, 3 + d, true, {}), std::min(3 + d + moved, 20)) << d;
    EXPECT_EQ(changed_value(kEpochs, 3 + d, false, {}), 3 + d - moved) << d;
    EXPECT_EQ(moved == 0, d <= 2) << d;
  }
  // the default of five epochs, and a range that is fixed points alone
  const SearchDimension iterations{
      .key = "planner.iterations", .low = 4, .high = 6, .integer = true};
  for (const int value : {4, 5, 6})
    for (const bool up : {false, true}) EXPECT_EQ(changed_value(iterations, value, up, {}), value);
}

TEST(ChangedValueTest, RawStepsMultiplyTheValueAndMoveWholeNumbersByOneAtLeast) {
  const ChangeRule raw{.in_unit = false};
  EXPECT_EQ(changed_value(kRate, 1e-3, true, raw), 1.2e-3);
  EXPECT_EQ(changed_value(kRate, 1e-3, false, raw), 8e-4);
  EXPECT_EQ(changed_value(kRate, 1.1e-5, false, raw), 1e-5);
  EXPECT_EQ(changed_value(kEpochs, 4, true, raw), 5);
  EXPECT_EQ(changed_value(kEpochs, 4, false, raw), 3);
  EXPECT_EQ(changed_value(kEpochs, 3, false, raw), 3);
  EXPECT_EQ(changed_value(kEpochs, 10, true, raw), 12);
  // as published mf_pbt leaves the space, but not with what memory is taken for
  const ChangeRule free{.in_unit = false, .up = 1.25, .within_space = false};
  EXPECT_EQ(changed_value(kRate, 4e-2, true, free), 5e-2);
  EXPECT_EQ(changed_value(kEpochs, 20, true, free), 20);
}

TEST(ChangedValueTest, AChoiceMovesToItsNeighbor) {
  EXPECT_EQ(changed_value(kMethod, "cem", true, {}), "mppi");
  EXPECT_EQ(changed_value(kMethod, "cem", false, {}), "cem");
  EXPECT_EQ(changed_value(kMethod, "icem", true, {}), "icem");
  EXPECT_EQ(changed_value(kMethod, "icem", false, {}), "mppi");
}

TEST(ChangedValuesTest, AQuarterIsDrawnAnewAndTheRestAreSteps) {
  const TrialValues values{1e-3, 10};
  int num_steps = 0, num_up = 0;
  constexpr int kDraws = 4000;
  for (int i = 0; i < kDraws; ++i) {
    const TrialValues changed =
        changed_values(kSpace, values, {}, {{1, purpose::kExchange, 0}, std::uint64_t(i)},
                       [](const TrialValues&) { return true; });
    const bool step = (changed[0] == changed_value(kRate, 1e-3, true, {}) ||
                       changed[0] == changed_value(kRate, 1e-3, false, {}));
    num_steps += step;
    num_up += changed[0] == changed_value(kRate, 1e-3, true, {});
  }
  // five standard deviations
  EXPECT_NEAR(num_steps, 0.75 * kDraws, 140);
  EXPECT_NEAR(num_up, 0.375 * kDraws, 155);
}

TEST(ChangedValuesTest, WhatDoesNotGoTogetherIsDrawnAgainAndAtLastLeftAsItIs) {
  const TrialValues values{1e-3, 10};
  const ExchangeDraws draws{{1, purpose::kExchange, 0}, 0};
  const auto odd = [](const TrialValues& v) { return v[1].get<int>() % 2 == 1; };
  EXPECT_TRUE(odd(changed_values(kSpace, values, {.resample = 1.0}, draws, odd)));
  EXPECT_EQ(changed_values(kSpace, values, {}, draws, [](const TrialValues&) { return false; }),
            values);
}

// ---- populations whose returns are given

class ExchangeTest : public testing::Test {
 protected:
  static constexpr std::int64_t kSteps = 400;

  ExchangeTest() {
    config_.tune.space = kSpace;
    config_.tune.method = "pbt";
    config_.seed = 4;
  }
  PopulationRecord record(int size, bool copies_state = true) {
    std::vector<TrialValues> first;
    for (int m = 0; m < size; ++m) first.push_back({1e-3, 5 + m % 10});
    return {config_.tune.space, first, kSteps, copies_state};
  }
  ExchangeContext context(const PopulationRecord& record) {
    return {config_, record, kSteps, [](const TrialValues&) { return true; }};
  }
  // all members that are not over end a slice of 100 steps; member m earns values[m], NaN: diverges
  std::vector<Exchange> round(PopulationRecord& record, const std::vector<double>& values) {
    std::vector<SliceResult> results;
    for (int m = 0; m < record.size(); ++m) {
      if (record.seat(m).over) continue;
      SliceResult result{.member = m, .end = record.seat(m).begin + 100};
      const double value = values[static_cast<std::size_t>(m)];
      if (std::isnan(value))
        result.error = "diverged";
      else
        for (int i = 0; i < 3; ++i) result.returns.emplace_back(result.end - 2 + i, value);
      results.push_back(result);
    }
    const std::vector<int> ended = record.end(results);
    const std::vector<Exchange> all = exchanges(context(record), ended);
    lines_.push_back(record.to_json(results, all));
    for (const Exchange& exchange : all) record.exchange(exchange);
    return all;
  }
  static std::vector<double> rising(int size) {
    std::vector<double> values;
    for (int m = 0; m < size; ++m) values.push_back(m);
    return values;
  }
  Config config_;
  std::vector<Json> lines_;
};

TEST_F(ExchangeTest, OfFortyMembersThirtyTwoStayAndTheOthersCopyTheBestEight) {
  std::set<int> sources;
  for (config_.seed = 0; config_.seed < 40; ++config_.seed) {
    PopulationRecord forty = record(40);
    const std::vector<Exchange> all = round(forty, rising(40));
    ASSERT_EQ(all.size(), 8u);
    for (const Exchange& exchange : all) {
      EXPECT_LT(exchange.member, 8);
      EXPECT_GE(forty.slice(exchange.from).member, 32);
      sources.insert(forty.slice(exchange.from).member);
    }
  }
  EXPECT_EQ(sources.size(), 8u) << "each of the best eight is copied now and then";
}

TEST_F(ExchangeTest, AfterTheLastSliceNobodyCopies) {
  PopulationRecord ten = record(10);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(round(ten, rising(10)).size(), 2u);
  EXPECT_TRUE(round(ten, rising(10)).empty());
  for (int m = 0; m < 10; ++m) EXPECT_TRUE(ten.seat(m).over);
}

TEST_F(ExchangeTest, AMemberThatDivergedCopiesAndGoesOn) {
  PopulationRecord ten = record(10);
  std::vector<double> values = rising(10);
  for (int m = 3; m < 10; ++m) values[static_cast<std::size_t>(m)] = std::nan("");
  const std::vector<Exchange> all = round(ten, values);
  EXPECT_EQ(all.size(), 7u) << "more than a fifth, as they cannot go on";
  for (const Exchange& exchange : all) {
    EXPECT_GE(exchange.member, 3);
    EXPECT_LT(ten.slice(exchange.from).member, 3);
    EXPECT_FALSE(ten.seat(exchange.member).over);
  }
  // where all have, nobody is left
  PopulationRecord two = record(2);
  EXPECT_TRUE(round(two, {std::nan(""), std::nan("")}).empty());
  EXPECT_TRUE(two.seat(0).over && two.seat(1).over);
}

TEST_F(ExchangeTest, AScoreIsTheMeanOfTheLastThreeReturnsOfTheWholeHistory) {
  PopulationRecord three = record(3);
  three.end({{.member = 0, .end = 100, .returns = {{40, 6.0}, {80, 9.0}}},
             {.member = 1, .end = 100, .returns = {{40, 0.0}, {80, 0.0}}},
             {.member = 2, .end = 100, .returns = {}}});
  EXPECT_EQ(three.slice(0).score, 7.5);
  EXPECT_EQ(three.slice(1).score, 0.0) << "a return of exactly zero is one";
  EXPECT_EQ(three.slice(2).score, kDead);
  three.exchange({.member = 1, .from = 0, .values = {2e-3, 7}});
  three.end({{.member = 0, .end = 200, .returns = {{120, 3.0}}},
             {.member = 1, .end = 200, .returns = {{120, 12.0}}}});
  EXPECT_EQ(three.slice(3).score, 6.0);
  EXPECT_EQ(three.slice(4).score, 9.0) << "the copied history's returns count, its own do not";
}

TEST_F(ExchangeTest, TheLineageIsTheTrainingThatAMemberStandsFor) {
  PopulationRecord three = record(3);
  three.end({{.member = 0, .end = 100, .returns = {{100, 1.0}}},
             {.member = 1, .end = 100, .returns = {{100, 2.0}}},
             {.member = 2, .end = 100, .returns = {{100, 3.0}}}});
  three.exchange({.member = 0, .from = 2, .values = {5e-4, 9}});
  three.end({{.member = 0, .end = 200, .returns = {{200, 9.0}}},
             {.member = 1, .end = 200, .returns = {{200, 1.0}}},
             {.member = 2, .end = 200, .returns = {{200, 1.0}}}});
  EXPECT_THAT(three.path(3), ElementsAre(2, 3));
  // member 2's values, then its own
  const std::vector<SchedulePoint> schedule = three.schedule(3);
  ASSERT_EQ(schedule.size(), 2u);
  EXPECT_EQ(schedule[0], (SchedulePoint{0, {{kRate.key, 1e-3}, {kEpochs.key, 7}}}));
  EXPECT_EQ(schedule[1], (SchedulePoint{100, {{kRate.key, 5e-4}, {kEpochs.key, 9}}}));
  EXPECT_EQ(best_slice(three, kSteps), 3);
  // as its trial tells it, in the journal's numbers
  const Json told = three.attributes(0, {10, 11, 12});
  EXPECT_EQ(told.at("lineage"), Json::parse(R"([{"step": 100, "from": 12}])"));
  EXPECT_EQ(told.at("schedule").size(), 2u);
  EXPECT_EQ(told.at("schedule")[0].at("values").at(kEpochs.key), 5) << "its own, not its source's";
  EXPECT_EQ(told.at("returns"),
            Json::parse(R"([{"step": 100, "value": 1.0}, {"step": 200, "value": 9.0}])"));
}

TEST_F(ExchangeTest, WithoutStatesAMemberKeepsItsTrainingAndTakesValues) {
  PopulationRecord two = record(2, /*copies_state=*/false);
  two.end({{.member = 0, .end = 100, .returns = {{100, 1.0}}},
           {.member = 1, .end = 100, .returns = {{100, 2.0}}}});
  two.exchange({.member = 0, .from = 1, .values = {5e-4, 9}});
  EXPECT_EQ(two.seat(0).parent, 0);
  EXPECT_FALSE(two.seat(0).is_copy);
  EXPECT_EQ(two.seat(0).values, (TrialValues{5e-4, 9}));
  // whose values they are is told, too
  for (int i = 0; i < 2; ++i)
    two.end({{.member = 0, .end = 200 + 100 * i, .returns = {}},
             {.member = 1, .end = 200 + 100 * i, .returns = {}}});
  EXPECT_EQ(two.attributes(0, {10, 11}).at("lineage"),
            Json::parse(R"([{"step": 100, "from": 11, "values_only": true}])"));
  EXPECT_EQ(two.attributes(1, {10, 11}).at("lineage"), Json::array());
}

TEST_F(ExchangeTest, TheJournalsLinesAreTheWholeRecord) {
  for (const char* method : {"pbt", "pbt_bt"}) {
    config_.tune.method = method;
    config_.pbt.backtrack_interval = 2;
    lines_.clear();
    PopulationRecord ten = record(10);
    for (int i = 0; i < 3; ++i) {
      std::vector<double> values = rising(10);
      values[static_cast<std::size_t>(i)] = std::nan("");
      values[9 - static_cast<std::size_t>(i)] = -100.0 * i;
      round(ten, values);
    }
    PopulationRecord again = record(10);
    for (const Json& line : lines_) again.replay(Json::parse(line.dump()));
    ASSERT_EQ(again.slices().size(), ten.slices().size());
    for (int m = 0; m < 10; ++m) {
      EXPECT_EQ(again.seat(m).begin, ten.seat(m).begin) << method << " " << m;
      EXPECT_EQ(again.next_schedule(m), ten.next_schedule(m)) << method << " " << m;
      EXPECT_EQ(again.seat(m).over, ten.seat(m).over) << method << " " << m;
    }
  }
}

TEST_F(ExchangeTest, TheMeanOfTheBestRoundsWholeNumbersAndTakesTheUsualChoice) {
  EXPECT_EQ(mean_value(kEpochs, {4, 5, 5}), 5);
  EXPECT_EQ(mean_value(kRate, {1e-3, 3e-3}), 2e-3);
  // mf_pbt's numbers may lie outside, whole ones never do; rounding leads no further out
  EXPECT_EQ(mean_value(kRate, {5e-2, 7e-2}), 6e-2);
  EXPECT_EQ(mean_value(kRate, {2e-6, 4e-6}), 3e-6);
  EXPECT_EQ(mean_value(kRate, {0.0399999, 0.0399999}), 0.0399999);
  EXPECT_EQ(mean_value(kEpochs, {20, 20}), 20);
  EXPECT_EQ(mean_value(kMethod, {"icem", "cem", "cem"}), "cem");
  EXPECT_EQ(mean_value(kMethod, {"icem", "cem"}), "icem");
  PopulationRecord seven = record(7);
  round(seven, rising(7));
  // of members 2 to 6, which begin with 7 to 11 epochs
  EXPECT_EQ(top_average(seven, kSpace, 5).at(0).values.at(kEpochs.key), 9);
}

TEST_F(ExchangeTest, AMemberThatFellFarBehindGoesBackToAnEliteWithAChangeThatIsNew) {
  config_.tune.method = "pbt_bt";
  config_.pbt.backtrack_interval = 2;
  config_.pbt.elites = 0.2;
  config_.pbt.resample = 0.0;
  PopulationRecord ten = record(10);
  std::vector<double> values = rising(10);
  for (double& value : values) value += 100.0;
  round(ten, values);
  // all fall below the worst elite, 108, but for member 4, which stays within a fifth of it
  std::vector<double> fallen(10, 50.0);
  fallen[4] = 100.0;
  std::map<int, std::set<std::int64_t>> signs;
  for (const Exchange& exchange : round(ten, fallen)) {
    const Slice& from = ten.slice(exchange.from);
    if (exchange.member == 4) continue;
    EXPECT_GE(from.member, 8);
    EXPECT_EQ(from.end, 100) << "an elite's state is that of its best time";
    EXPECT_EQ(ten.seat(exchange.member).begin, 100) << "the member's clock goes back";
    if (exchange.signs >= 0) {
      EXPECT_TRUE(signs[exchange.from].insert(exchange.signs).second) << "each change once";
    }
  }
  EXPECT_EQ(ten.seat(4).begin, 200);
  // two values have four changes; nine copies of two elites use all of them up
  EXPECT_EQ(signs.size(), 2u);
}

// of the changes of two values only that of both downward goes together
TEST_F(ExchangeTest, ATryThatDoesNotGoTogetherIsFollowedByTheNextChangeThatIsNew) {
  const TrialValues values{1e-3, 10};
  const ChangeRule rule{.resample = 0.0};
  const TrialValues down{changed_value(kRate, 1e-3, false, {}),
                         changed_value(kEpochs, 10, false, {})};
  const ExchangeDraws draws{{1, purpose::kExchange, 0}, 0};
  int num_tries = 0;
  const auto only_down = [&](const TrialValues& v) {
    ++num_tries;
    return v == down;
  };
  const SignedChange third = signed_change(kSpace, values, rule, draws, only_down, {2, 3, 0, 1});
  EXPECT_EQ(num_tries, 3);
  EXPECT_EQ(third.values, down);
  EXPECT_EQ(third.signs, 0);
  // each bit is a value's
  const auto any = [](const TrialValues&) { return true; };
  EXPECT_EQ(signed_change(kSpace, values, rule, draws, any, {2, 3}).values,
            (TrialValues{down[0], changed_value(kEpochs, 10, true, {})}));
  // without one that is left all are drawn anew, and use none up
  num_tries = 0;
  const auto not_at_first = [&](const TrialValues&) { return ++num_tries > 2; };
  const SignedChange drawn = signed_change(kSpace, values, rule, draws, not_at_first, {1, 2});
  EXPECT_EQ(drawn.signs, -1);
  EXPECT_NE(drawn.values[0], down[0]);
  EXPECT_NE(drawn.values[0], changed_value(kRate, 1e-3, true, {}));
  num_tries = 0;
  const auto never = [&](const TrialValues&) { return ++num_tries > 10; };
  const SignedChange none = signed_change(kSpace, values, rule, draws, never, {1, 2});
  EXPECT_EQ(num_tries, 10);
  EXPECT_EQ(none.values, values);
  EXPECT_EQ(none.signs, -1);
}

TEST_F(ExchangeTest, WhatCopiesOfAnEliteHaveHadIsTriedNoMore) {
  config_.tune.method = "pbt_bt";
  config_.pbt.backtrack_interval = 2;
  config_.pbt.elites = 0.1;
  config_.pbt.resample = 0.0;
  // only where the number of epochs goes up
  std::vector<TrialValues> tried;
  const auto upward = [&](const TrialValues& v) {
    tried.push_back(v);
    return v[1].get<int>() > 14;
  };
  PopulationRecord ten = record(10);
  std::vector<SliceResult> results;
  for (int m = 0; m < 10; ++m)
    results.push_back({.member = m, .end = 100, .returns = {{100, 100.0 + m}}});
  ten.end(results);
  for (SliceResult& result : results)
    result = {.member = result.member, .end = 200, .returns = {{200, 1.0}}};
  const std::vector<int> ended = ten.end(results);
  std::set<std::int64_t> signs;
  int num_signed = 0;
  for (const Exchange& one : exchanges({config_, ten, kSteps, upward}, ended)) {
    if (one.signs < 0) continue;
    ++num_signed;
    signs.insert(one.signs);
    EXPECT_EQ(one.values[1], changed_value(kEpochs, 14, true, {})) << one.signs;
  }
  EXPECT_EQ(num_signed, 2) << "of four changes two go together, and each is made once";
  EXPECT_THAT(signs, ElementsAre(2, 3));
}

class FrequenciesTest : public ExchangeTest {
 protected:
  FrequenciesTest() {
    config_.tune.method = "mf_pbt";
    config_.pbt.frequencies = {1, 2};
  }
};

// sub-population 0 is members 0 to 3, 1 is members 4 to 7
TEST_F(FrequenciesTest, TheLastQuarterCopiesTheFirstAndTheOneBeforeTakesMigrants) {
  PopulationRecord eight = record(8);
  // ranks within 0: members 3, 2, 1, 0. Best elsewhere: 7
  const std::vector<Exchange> first = round(eight, rising(8));
  ASSERT_EQ(first.size(), 2u) << "the second sub-population evolves every other time";
  EXPECT_EQ(first[0].member, 1);
  EXPECT_EQ(eight.slice(first[0].from).member, 7);
  EXPECT_EQ(first[0].values, eight.slice(first[0].from).values)
      << "a steadier donor brings its values";
  EXPECT_EQ(first[1].member, 0);
  EXPECT_EQ(eight.slice(first[1].from).member, 3);
  const double rate = first[1].values[0].get<double>();
  EXPECT_TRUE(rate == 8e-4 || rate == 1.25e-3) << rate;

  // now the first is better: its best migrates, and the receivers keep the values of their own best
  const std::vector<Exchange> second = round(eight, {9, 10, 11, 12, 1, 2, 3, 4});
  ASSERT_EQ(second.size(), 3u);
  EXPECT_EQ(second[0].member, 0) << "nobody elsewhere is better than member 1";
  EXPECT_EQ(second[1].member, 5);
  EXPECT_EQ(eight.slice(second[1].from).member, 3);
  EXPECT_EQ(second[1].values, eight.slice(eight.last_slice(7)).values);
  EXPECT_EQ(second[2].member, 4);
  EXPECT_EQ(eight.slice(second[2].from).member, 7);
}

TEST_F(FrequenciesTest, WhoDivergedDoesNotWaitForItsSubPopulation) {
  PopulationRecord eight = record(8);
  std::vector<double> values = rising(8);
  values[6] = std::nan("");
  bool helped = false;
  for (const Exchange& exchange : round(eight, values))
    helped |= exchange.member == 6 && eight.slice(exchange.from).member == 7;
  EXPECT_TRUE(helped);
}

}  // namespace
}  // namespace mbrl
