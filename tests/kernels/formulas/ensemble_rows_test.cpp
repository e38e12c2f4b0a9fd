// Tests for kernels/formulas/{ensemble_rows,rollout_rows}.h and kernels/formulas/maps.
#include "kernels/formulas/ensemble_rows.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "kernels/data/transition.h"
#include "kernels/formulas/rollout_rows.h"

namespace mbrl {
namespace {

// observation 1 2, action 3, reward 4, end, next observation 11 22
const TransitionLayout kLayout{2, 1};
const float kRecord[8] = {1, 2, 3, 4, 1, 11, 22, 0};

std::vector<float> inputs(const ModelMaps& maps) {
  std::vector<float> values;
  for (int i = 0; i < maps.num_inputs(2, 1); ++i)
    values.push_back(maps.input_of(kRecord, kLayout, i));
  return values;
}
std::vector<float> targets(const ModelMaps& maps) {
  std::vector<float> values;
  for (int i = 0; i < maps.num_targets(2); ++i) values.push_back(maps.target(kRecord, kLayout, i));
  return values;
}

// reads the second entry and both of an angle of the first; predicts the first itself
ObservationMap angle_map() {
  using enum ObservationMap::Read;
  return {.num_inputs = 3, .input = {{1, kValue}, {0, kSine}, {0, kCosine}}, .absolute = 0b01};
}

TEST(ModelMapsTest, UsuallyStateAndActionGiveRewardAndChange) {
  EXPECT_EQ(inputs({}), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(targets({}), (std::vector<float>{4, 10, 20}));
}

TEST(ModelMapsTest, AbsoluteTargetsAreTheNextObservation) {
  EXPECT_EQ(targets({.output = OutputMap::kAbsolute}), (std::vector<float>{4, 11, 22}));
}

TEST(ModelMapsTest, ABackwardModelGoesFromTheNextObservationToTheOneBefore) {
  const ModelMaps maps{.input = InputMap::kBackward};
  EXPECT_EQ(inputs(maps), (std::vector<float>{11, 22, 3}));
  EXPECT_EQ(targets(maps), (std::vector<float>{4, -10, -20}));
  EXPECT_EQ(targets({.input = InputMap::kBackward, .output = OutputMap::kAbsolute}),
            (std::vector<float>{4, 1, 2}));
}

TEST(ModelMapsTest, TheRewardMayBeLeftOutAndTheEndAdded) {
  EXPECT_EQ(targets({.reward = false}), (std::vector<float>{10, 20}));
  EXPECT_EQ(targets({.end = EndTarget::kNumber}), (std::vector<float>{4, 10, 20, 1}));
  EXPECT_EQ(targets({.reward = false, .end = EndTarget::kNumber}), (std::vector<float>{10, 20, 1}));
  EXPECT_EQ(targets({.end = EndTarget::kLogit}), (std::vector<float>{4, 10, 20, 1}));
}

TEST(ModelMapsTest, ALogitIsNoneOfTheTargetsThatTheModelsLossIsOf) {
  EXPECT_EQ(ModelMaps{}.num_regressed(2), 3);
  EXPECT_EQ((ModelMaps{.end = EndTarget::kNumber}).num_regressed(2), 4);
  EXPECT_EQ((ModelMaps{.end = EndTarget::kLogit}).num_regressed(2), 3);
  EXPECT_EQ((ModelMaps{.reward = false, .end = EndTarget::kLogit}).num_regressed(2), 2);
}

TEST(ModelMapsTest, APerfectPredictionGivesTheStateBackInEveryMap) {
  for (const InputMap input : {InputMap::kForward, InputMap::kBackward})
    for (const OutputMap output : {OutputMap::kDelta, OutputMap::kAbsolute})
      for (const bool reward : {true, false}) {
        for (const ObservationMap& observation : {ObservationMap{}, angle_map()}) {
          const ModelMaps maps{
              .input = input, .output = output, .reward = reward, .observation = observation};
          std::vector<float> predicted = targets(maps);
          EXPECT_TRUE(apply_prediction(maps, maps.from(kRecord, kLayout), 2, predicted.data(), 1));
          const float* wanted = maps.to(kRecord, kLayout);
          EXPECT_EQ(predicted[static_cast<std::size_t>(maps.first_state())], wanted[0]);
          EXPECT_EQ(predicted[static_cast<std::size_t>(maps.first_state() + 1)], wanted[1]);
          if (reward) {
            EXPECT_EQ(predicted[0], 4.0f);
          }
        }
      }
}

TEST(ModelMapsTest, ATaskSaysWhichEntriesAreReadAndHow) {
  const ModelMaps maps{.observation = angle_map()};
  EXPECT_EQ(maps.num_inputs(2, 1), 4);
  EXPECT_EQ(inputs(maps), (std::vector<float>{2, sin_f(1), cos_f(1), 3}));
  EXPECT_NEAR(inputs(maps)[1], 0.841471, 1e-6);
  EXPECT_NEAR(inputs(maps)[2], 0.540302, 1e-6);
  EXPECT_EQ(inputs({.input = InputMap::kBackward, .observation = angle_map()}),
            (std::vector<float>{22, sin_f(11), cos_f(11), 3}));
}

TEST(ModelMapsTest, ATaskSaysWhichEntriesArePredictedThemselves) {
  EXPECT_EQ(targets({.observation = angle_map()}), (std::vector<float>{4, 11, 20}));
  EXPECT_EQ(targets({.reward = false, .observation = angle_map()}), (std::vector<float>{11, 20}));
  // without a table of inputs the observation is read as it is
  const ModelMaps maps{.reward = false, .observation = {.absolute = 0b10}};
  EXPECT_EQ(inputs(maps), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(targets(maps), (std::vector<float>{10, 22}));
}

TEST(ModelMapsTest, EntriesAreGivenBackAsTheTaskHasThemPredicted) {
  const ModelMaps maps{.reward = false, .observation = angle_map()};
  const float from[] = {1, 2};
  float values[] = {-5, 10};
  EXPECT_TRUE(apply_prediction(maps, from, 2, values, 1));
  EXPECT_EQ(values[0], -5.0f);
  EXPECT_EQ(values[1], 12.0f);
}

TEST(RolloutRowsTest, AnyPredictionThatIsNotFiniteIsTold) {
  const float from[] = {1, 2};
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()})
    for (int place = 0; place < 3; ++place) {
      float values[] = {0, 1, 2};
      values[place] = bad;
      EXPECT_FALSE(apply_prediction(ModelMaps{}, from, 2, values, 1)) << place;
    }
  // two large finite values whose sum is not
  const float large[] = {3e38f, 0};
  float values[] = {0, 3e38f, 0};
  EXPECT_FALSE(apply_prediction(ModelMaps{}, large, 2, values, 1));
}

TEST(RolloutRowsTest, ConsecutiveTargetsMayLieApart) {
  const float from[] = {1, 2};
  float values[] = {5, -1, 10, -1, 20, -1};
  EXPECT_TRUE(apply_prediction(ModelMaps{}, from, 2, values, 2));
  EXPECT_EQ(std::vector<float>(values, values + 6), (std::vector<float>{5, -1, 11, -1, 22, -1}));
}

TEST(EnsembleRowsTest, ScalingAndErrorByHand) {
  EXPECT_EQ(normalize(50.0f, 30.0f, 0.05f), 1.0f);
  EXPECT_EQ(squared_error(3.0f, 5.0f), 4.0);
}

}  // namespace
}  // namespace mbrl
