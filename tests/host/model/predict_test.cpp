// Tests for host/model/predict.{h,cpp}.
#include "host/model/predict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/networks/initialize.h"
#include "kernels/stages/rollout/rollout.h"
#include "tests/support/reference.h"

namespace mbrl {
namespace {

constexpr int kS = 3, kA = 2, kRows = 101;
const TransitionLayout kLayout{kS, kA};
const RandomKey kKey{5, purpose::kMemberChoice, 0};

// members with random weights, a scaler and two elites of three
EnsembleState random_model() {
  EnsembleState model(3, kLayout, /*hidden_size=*/20, /*num_hidden_layers=*/2);
  init_ensemble(model, 3, 0, 0.5f, -10.0f);
  for (int i = 0; i < model.num_inputs(); ++i) {
    model.input_mean[i] = 0.1f * static_cast<float>(i);
    model.input_inv_std[i] = 1.0f + 0.2f * static_cast<float>(i);
  }
  model.elites = {2, 0};
  return model;
}

std::vector<float> random_records() {
  const auto pitch = static_cast<std::size_t>(kLayout.pitch());
  std::vector<float> records(kRows * pitch);
  for (std::size_t i = 0; i < records.size(); ++i)
    records[i] = normal({7, purpose::kInit, 0}, i, 0, 0);
  return records;
}

TEST(PredictTest, IsTheObservationPlusTheChosenElitesMean) {
  ThreadPool pool(2);
  Stream stream(pool);
  const EnsembleState model = random_model();
  const std::vector<float> records = random_records();
  const TransitionsView view{records.data(), kLayout, kRows};
  const std::vector<float> next = predict_next_observations(stream, model, view, kKey, 9);

  const reference::Doubles weights = reference::to_double(model.members.value);
  std::vector<float> wanted;
  std::set<int> members;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const int member = model.elites[uniform_index(kKey.bits(9, row).x, 2)];
    members.insert(member);
    reference::Doubles input;
    for (int i = 0; i < kS + kA; ++i)
      input.push_back((view.record(row)[i] - static_cast<double>(model.input_mean[i])) *
                      model.input_inv_std[i]);
    const reference::Doubles output = reference::mlp(
        model.layout, weights.data() + member * model.layout.size, Activation::kSwish, input);
    // the reward comes first
    for (int i = 0; i < kS; ++i)
      wanted.push_back(static_cast<float>(view.record(row)[i] + output[1 + i]));
  }
  EXPECT_EQ(members, (std::set<int>{0, 2})) << "both elites answer, the third member never";
  ASSERT_EQ(next.size(), wanted.size());
  for (std::size_t i = 0; i < next.size(); ++i) EXPECT_NEAR(next[i], wanted[i], 1e-5) << i;
}

TEST(PredictTest, FollowsTheModelsMaps) {
  ThreadPool pool(1);
  Stream stream(pool);
  const std::vector<float> records = random_records();
  const TransitionsView view{records.data(), kLayout, kRows};
  const ModelMaps maps{.input = InputMap::kBackward, .reward = false};
  EnsembleState model(1, kLayout, 20, 2, Memory::kHost, {EnsembleLoss::kMse, maps});
  init_ensemble(model, 3, 0, 0.5f, -10.0f);
  const std::vector<float> before = predict_next_observations(stream, model, view, kKey, 9);
  const reference::Doubles weights = reference::to_double(model.members.value);
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const float* from = view.record(row) + kLayout.next_observation();
    reference::Doubles input(from, from + kS);
    for (int i = 0; i < kA; ++i) input.push_back(view.record(row)[kLayout.action() + i]);
    const reference::Doubles output =
        reference::mlp(model.layout, weights.data(), Activation::kSwish, input);
    for (std::size_t i = 0; i < kS; ++i)
      EXPECT_NEAR(before[row * kS + i], from[i] + output[i], 1e-5);
  }
}

TEST(PredictTest, AnyNumberOfThreadsGivesTheSame) {
  ThreadPool one(1), three(3);
  Stream stream_of_one(one), stream_of_three(three);
  const EnsembleState model = random_model();
  const std::vector<float> records = random_records();
  const TransitionsView view{records.data(), kLayout, kRows};
  EXPECT_EQ(predict_next_observations(stream_of_one, model, view, kKey, 9),
            predict_next_observations(stream_of_three, model, view, kKey, 9));
}

TEST(PredictTest, ByMembersIsWhatEachWouldAnswer) {
  ThreadPool pool(2);
  Stream stream(pool);
  EnsembleState model = random_model();
  const std::vector<float> records = random_records();
  const TransitionsView view{records.data(), kLayout, kRows};
  const std::vector<float> all = predict_by_members(stream, model, view);
  ASSERT_EQ(all.size(), static_cast<std::size_t>(3 * kRows * kS));
  for (int e = 0; e < 3; ++e) {
    model.elites = {e};
    const std::vector<float> of_member = predict_next_observations(stream, model, view, kKey, 9);
    EXPECT_TRUE(std::equal(of_member.begin(), of_member.end(), all.begin() + e * kRows * kS)) << e;
  }
}

TEST(PredictTest, LossesAreThoseOfTheDefinitionForEachMemberAndRecord) {
  ThreadPool pool(2);
  Stream stream(pool);
  const EnsembleState model = random_model();
  const std::vector<float> records = random_records();
  const TransitionsView view{records.data(), kLayout, kRows};
  const std::vector<double> losses = losses_by_members(stream, model, view);
  ASSERT_EQ(losses.size(), static_cast<std::size_t>(3 * kRows));
  const reference::Doubles weights = reference::to_double(model.members.value);
  constexpr int kD = 1 + kS;
  for (int e = 0; e < 3; ++e)
    for (std::size_t row = 0; row < kRows; ++row) {
      const float* r = view.record(row);
      reference::Doubles input;
      for (int i = 0; i < kS + kA; ++i)
        input.push_back((r[i] - static_cast<double>(model.input_mean[i])) * model.input_inv_std[i]);
      const reference::Doubles out = reference::mlp(
          model.layout, weights.data() + static_cast<std::size_t>(e) * model.layout.size,
          Activation::kSwish, input);
      double wanted = 0.0;
      for (int i = 0; i < kD; ++i) {
        const double target =
            i == 0 ? static_cast<double>(r[kLayout.reward()])
                   : static_cast<double>(r[kLayout.next_observation() + i - 1]) - r[i - 1];
        const double lv = reference::bound_logvar(out[kD + i], 0.5, -10.0);
        wanted += (std::pow(out[i] - target, 2) * std::exp(-lv) + lv) / kD;
      }
      EXPECT_NEAR(losses[static_cast<std::size_t>(e) * kRows + row], wanted,
                  1e-4 * (1.0 + std::abs(wanted)))
          << e << " " << row;
    }
}

}  // namespace
}  // namespace mbrl
