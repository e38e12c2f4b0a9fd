// Tests for host/tune/hyperparameters.{h,cpp}.
#include "host/tune/hyperparameters.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

const TunedHyperparameter kRate{
    "rate", "sac.learning_rate", "rate", {.low = 1e-5, .high = 1e-2}, Change::kMultiply};
const TunedHyperparameter kCount{
    "count", "sac.updates_per_step", "num", {.low = 1, .high = 4}, Change::kAdd};
const TunedHyperparameter kFit{"fit", "model.fit", "fits", {.low = 0, .high = 1}, Change::kToggle};
const std::vector<TunedHyperparameter> kAll{kRate, kCount, kFit};

TEST(AfterOptionTest, AFactorDividesLeavesOrMultipliesWithinTheRange) {
  EXPECT_EQ(num_options(Change::kMultiply), 3);
  EXPECT_DOUBLE_EQ(after_option(kRate, 1e-3, 0, 2.0), 5e-4);
  EXPECT_EQ(after_option(kRate, 1e-3, 1, 2.0), 1e-3);
  EXPECT_DOUBLE_EQ(after_option(kRate, 1e-3, 2, 2.0), 2e-3);
  EXPECT_EQ(after_option(kRate, 8e-3, 2, 2.0), 1e-2);
  EXPECT_EQ(after_option(kRate, 1.5e-5, 0, 2.0), 1e-5);
}

TEST(AfterOptionTest, CountsMoveByOneWithinTheRange) {
  EXPECT_EQ(num_options(Change::kAdd), 3);
  EXPECT_EQ(after_option(kCount, 2, 0, 9.0), 1);
  EXPECT_EQ(after_option(kCount, 2, 1, 9.0), 2);
  EXPECT_EQ(after_option(kCount, 2, 2, 9.0), 3);
  EXPECT_EQ(after_option(kCount, 1, 0, 9.0), 1);
  EXPECT_EQ(after_option(kCount, 4, 2, 9.0), 4);
}

TEST(AfterOptionTest, AToggleIsOnOrOffWhateverItWas) {
  EXPECT_EQ(num_options(Change::kToggle), 2);
  for (const double before : {0.0, 1.0}) {
    EXPECT_EQ(after_option(kFit, before, 0, 9.0), 1.0);
    EXPECT_EQ(after_option(kFit, before, 1, 9.0), 0.0);
  }
}

TEST(FindTunedTest, NamesTheNearestOfTheList) {
  EXPECT_EQ(find_tuned(kAll, "count").key, "sac.updates_per_step");
  EXPECT_EQ(error_text<ConfigError>([] { find_tuned(kAll, "coumt"); }),
            "coumt is not a hyperparameter that is tuned. Did you mean count? There are: rate, "
            "count, fit.");
}

TEST(ValuesJsonTest, IsTypedByTheChangeAndReadsBack) {
  const HyperValues values{{"rate", 0.3}, {"count", 4.0}, {"fit", 1.0}};
  const nlohmann::json json = values_to_json(kAll, values);
  EXPECT_EQ(json.dump(), R"({"fits":true,"num":4,"rate":0.3})");
  EXPECT_EQ(values_from_json(kAll, json), values);
  // other entries are somebody else's
  EXPECT_EQ(values_from_json(
                kAll, nlohmann::json::parse(R"({"rate": 1, "num": 2, "fits": false, "more": 3})")),
            (HyperValues{{"rate", 1.0}, {"count", 2.0}, {"fit", 0.0}}));
}

}  // namespace
}  // namespace mbrl
