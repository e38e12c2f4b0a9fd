// Tests for kernels/stages/ensemble/ensemble_step.{h,cpp,cu} on every device: the loss of all
// members and its gradients, the shared bounds, decay, and the holdout error.
#include "kernels/stages/ensemble/ensemble_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "tests/support/devices.h"
#include "tests/support/problems.h"
#include "tests/support/reference.h"

namespace mbrl {
namespace {

using reference::Doubles;

constexpr int kS = 3, kA = 2, kD = 1 + kS;
constexpr EndWeights kEndWeights{0.7f, 2.5f};
const TransitionLayout kLayout{kS, kA};

struct Problem : EnsembleProblem {
  Problem(int num_members, int batch_size, const EnsembleForm& form = {})
      : EnsembleProblem(num_members, batch_size, 10, 2, form) {
    leave_the_start();
    constants.end_weights = kEndWeights;
  }
};

// steps on all rows of the problem, on a device
EnsembleEpoch train(On on, Problem& p, int num_steps = 1, int threads = 2) {
  DeviceStream stream(on, threads);
  EnsembleState state = copy_to(stream.memory(), p.state);
  const Buffer<float> records = copy_to(stream.memory(), p.records);
  const Buffer<std::uint32_t> rows = copy_to(stream.memory(), p.rows);
  EnsembleWorkspace workspace(stream, state, p.num_rows);
  EnsembleEpoch epoch;
  for (int i = 0; i < num_steps; ++i)
    epoch = ensemble_epoch(stream, state, p.view(records), p.batch(rows.data()), p.num_rows,
                           p.constants, workspace);
  take_over(p.state, state);
  return epoch;
}

std::vector<double> holdout_mse(On on, const Problem& p,
                                const std::vector<std::uint32_t>& indices) {
  DeviceStream stream(on);
  const EnsembleState state = copy_to(stream.memory(), p.state);
  const Buffer<float> records = copy_to(stream.memory(), p.records);
  const Buffer<std::uint32_t> rows = copy_to(stream.memory(), indices);
  EnsembleWorkspace workspace(stream, state, p.num_rows);
  std::vector<double> mse(static_cast<std::size_t>(p.members));
  ensemble_holdout_mse(stream, state, p.view(records), {rows.data(), rows.size()}, mse, workspace);
  return mse;
}

double target(const float* record, int i) {
  if (i == 0) return record[kLayout.reward()];
  return static_cast<double>(record[kLayout.next_observation() + i - 1]) - record[i - 1];
}

Doubles scaled_input(const Problem& p, const float* record) {
  Doubles x;
  for (int i = 0; i < kS + kA; ++i)
    x.push_back((static_cast<double>(record[i]) - p.state.input_mean[i]) *
                p.state.input_inv_std[i]);
  return x;
}

// what a step minimizes: the rows' loss, decay and the bounds' penalty
double full_loss(const Problem& p, const Doubles& members, const Doubles& max_logvar,
                 const Doubles& min_logvar, double* rows_only = nullptr) {
  double rows = 0.0, decay = 0.0, penalty = 0.0;
  for (int e = 0; e < p.state.ensemble_size; ++e) {
    const double* member = members.data() + e * p.state.layout.size;
    for (int row = 0; row < p.num_rows; ++row) {
      const float* record = p.view().record(p.batch().row(e)[row]);
      const Doubles out =
          reference::mlp(p.state.layout, member, Activation::kSwish, scaled_input(p, record));
      const int D = p.state.num_targets();
      for (int i = 0; i < D; ++i) {
        if (i == kD) {  // the logit of the end
          const bool ends = record[kLayout.terminated()] > 0.5f;
          const double probability = 1.0 / (1.0 + std::exp(-out[i]));
          rows += (ends ? -kEndWeights.ends * std::log(probability)
                        : -kEndWeights.goes_on * std::log(1.0 - probability)) /
                  (p.num_rows * D);
          continue;
        }
        const double square = std::pow(out[i] - target(record, i), 2);
        double loss = square;
        if (p.state.loss == EnsembleLoss::kGaussianNll) {
          const double lv = reference::bound_logvar(out[D + i], max_logvar[i], min_logvar[i]);
          loss = square * std::exp(-lv) + lv;
        }
        rows += loss / (p.num_rows * D);
      }
    }
    for (int l = 0; l < p.state.layout.num_layers(); ++l) {
      const LayerLayout& layer = p.state.layout.layers[l];
      for (int j = 0; j < layer.out * layer.in_pitch; ++j)
        decay += static_cast<double>(p.constants.weight_decay[l]) * 0.5 *
                 std::pow(member[layer.weight + static_cast<std::size_t>(j)], 2);
    }
  }
  for (std::size_t i = 0; i < max_logvar.size(); ++i)
    penalty += static_cast<double>(p.constants.logvar_penalty) * (max_logvar[i] - min_logvar[i]);
  if (rows_only != nullptr) *rows_only = rows;
  return rows + decay + penalty;
}

struct Size {
  int members, batch;
  EnsembleLoss loss = EnsembleLoss::kGaussianNll;
  EndTarget end = EndTarget::kNone;
};
void PrintTo(const Size& size, std::ostream* out) {
  *out << size.members << "x" << size.batch << (size.loss == EnsembleLoss::kMse ? "_mse" : "")
       << (size.end == EndTarget::kLogit ? "_ends" : "");
}

class EnsembleStepTest : public DeviceTest<std::tuple<On, Size>> {
 protected:
  Problem problem() const {
    const Size size = std::get<1>(GetParam());
    return {size.members, size.batch, {size.loss, {.end = size.end}}};
  }
};

TEST_P(EnsembleStepTest, GradientsMatchDifferencesOfTheLoss) {
  Problem p = problem();
  Doubles values = reference::to_double(p.state.members.value);
  Doubles max_logvar, min_logvar;
  if (p.state.num_shared() > 0) {
    max_logvar.assign(p.state.max_logvar(), p.state.max_logvar() + kD);
    min_logvar.assign(p.state.min_logvar(), p.state.min_logvar() + kD);
  }

  const float loss = train(on(), p).loss;
  double rows = 0.0;
  const auto reference_loss = [&] { return full_loss(p, values, max_logvar, min_logvar); };
  full_loss(p, values, max_logvar, min_logvar, &rows);
  EXPECT_NEAR(loss, rows, 1e-5 * (1.0 + std::abs(rows)));

  // after the first Adam step m = 0.1 g
  double norm = 0.0, error = 0.0;
  for (std::size_t i = 0; i < values.size(); i += 3) {
    const double expected = reference::derivative(values[i], reference_loss, 1e-6);
    norm += expected * expected;
    error += std::pow(p.state.members.m[i] / (1.0 - 0.9f) - expected, 2);
  }
  EXPECT_GT(norm, 1e-6);
  // kernels sum in another order
  EXPECT_LT(std::sqrt(error / norm), on() == On::kGpu ? 2e-5 : 1e-5);
  for (std::size_t i = 0; i < max_logvar.size(); ++i) {
    EXPECT_NEAR(p.state.logvar_bounds.m[i] / (1.0 - 0.9f),
                reference::derivative(max_logvar[i], reference_loss), 2e-5);
    EXPECT_NEAR(p.state.logvar_bounds.m[padded(kD) + i] / (1.0 - 0.9f),
                reference::derivative(min_logvar[i], reference_loss), 2e-5);
  }
}

TEST_P(EnsembleStepTest, HoldoutErrorIsTheMeanSquaredErrorOfTheMean) {
  Problem p = problem();
  const Doubles values = reference::to_double(p.state.members.value);
  std::vector<std::uint32_t> holdout;
  for (std::uint32_t i = 3; i < 120; ++i) holdout.push_back(i % Problem::kRecords);
  const std::vector<double> mse = holdout_mse(on(), p, holdout);
  for (int e = 0; e < p.members; ++e) {
    double sum = 0.0;
    for (const std::uint32_t row : holdout) {
      const float* record = p.view().record(row);
      const Doubles out = reference::mlp(p.state.layout, values.data() + e * p.state.layout.size,
                                         Activation::kSwish, scaled_input(p, record));
      for (int i = 0; i < kD; ++i) sum += std::pow(out[i] - target(record, i), 2);
    }
    sum /= static_cast<double>(holdout.size()) * kD;
    EXPECT_NEAR(mse[e], sum, 1e-5 * sum);
  }
}

TEST_P(EnsembleStepTest, ResultsDoNotDependOnTheNumberOfThreads) {
  Problem one = problem(), three = problem();
  train(on(), one, 4, 1);
  train(on(), three, 4, 3);
  EXPECT_TRUE(std::equal(one.state.members.value.begin(), one.state.members.value.end(),
                         three.state.members.value.begin()));
  EXPECT_TRUE(std::equal(one.state.logvar_bounds.value.begin(), one.state.logvar_bounds.value.end(),
                         three.state.logvar_bounds.value.begin()));
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, EnsembleStepTest,
    testing::Combine(testing::ValuesIn(available_devices()),
                     testing::Values(Size{1, 5}, Size{3, 33}, Size{2, 64},
                                     Size{1, 5, EnsembleLoss::kMse},
                                     Size{3, 33, EnsembleLoss::kMse},
                                     Size{2, 33, EnsembleLoss::kMse, EndTarget::kLogit},
                                     Size{3, 33, EnsembleLoss::kGaussianNll, EndTarget::kLogit})),
    ParamName());

// what the loss learns for all members has nothing to do with the logit
using EnsembleEndTest = DeviceTest<>;

TEST_P(EnsembleEndTest, TheBoundsOfTheLogitStayWhereTheyAre) {
  Problem p(2, 33, {EnsembleLoss::kGaussianNll, {.end = EndTarget::kLogit}});
  const float highest = p.state.max_logvar()[kD], lowest = p.state.min_logvar()[kD];
  const float other = p.state.max_logvar()[kD - 1];
  train(on(), p, 3);
  EXPECT_EQ(p.state.max_logvar()[kD], highest);
  EXPECT_EQ(p.state.min_logvar()[kD], lowest);
  EXPECT_NE(p.state.max_logvar()[kD - 1], other);
}

TEST_P(EnsembleEndTest, TheHoldoutGivesTheLogitOfEachMemberAndRow) {
  const Problem p(2, 33, {EnsembleLoss::kGaussianNll, {.end = EndTarget::kLogit}});
  DeviceStream stream(on());
  const EnsembleState state = copy_to(stream.memory(), p.state);
  const Buffer<float> records = copy_to(stream.memory(), p.records);
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < 75; ++i) indices.push_back((i * 7 + 3) % Problem::kRecords);
  const Buffer<std::uint32_t> rows = copy_to(stream.memory(), indices);
  Buffer<float> logit(2 * indices.size(), -9.0f, stream.memory());
  EnsembleWorkspace workspace(stream, state, p.num_rows);
  std::vector<double> mse(2);
  ensemble_holdout_mse(stream, state, p.view(records), {rows.data(), rows.size()}, mse, workspace,
                       {logit.data(), 2, static_cast<int>(indices.size())});
  const std::vector<float> got = to_host(logit);
  const Doubles values = reference::to_double(p.state.members.value);
  for (std::size_t e = 0; e < 2; ++e)
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const Doubles out =
          reference::mlp(p.state.layout, values.data() + e * p.state.layout.size,
                         Activation::kSwish, scaled_input(p, p.view().record(indices[i])));
      EXPECT_NEAR(got[e * indices.size() + i], out[kD], 1e-5) << e << " " << i;
    }
}

TEST_P(EnsembleEndTest, LogitsOfAModelWithoutThemAreRefused) {
  for (const auto& [end, columns] :
       {std::pair{EndTarget::kNone, 5}, std::pair{EndTarget::kLogit, 4}}) {
    const Problem p(2, 33, {EnsembleLoss::kMse, {.end = end}});
    DeviceStream stream(on());
    const EnsembleState state = copy_to(stream.memory(), p.state);
    const Buffer<float> records = copy_to(stream.memory(), p.records);
    const Buffer<std::uint32_t> rows = copy_to(stream.memory(), p.rows);
    Buffer<float> logit(10, stream.memory());
    EnsembleWorkspace workspace(stream, state, p.num_rows);
    std::vector<double> mse(2);
    EXPECT_THROW(ensemble_holdout_mse(stream, state, p.view(records), {rows.data(), 5}, mse,
                                      workspace, {logit.data(), 2, columns}),
                 ShapeError);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, EnsembleEndTest, testing::ValuesIn(available_devices()),
                         ParamName());

// the holdout error is that of inputs and targets in the model's own maps
using EnsembleMapsTest = DeviceTest<>;

TEST_P(EnsembleMapsTest, HoldoutErrorOfABackwardModelOfStatesAlone) {
  const ModelMaps maps{
      .input = InputMap::kBackward, .output = OutputMap::kAbsolute, .reward = false};
  const Problem p(1, 33, {EnsembleLoss::kGaussianNll, maps});
  const Doubles values = reference::to_double(p.state.members.value);
  const std::vector<double> mse = holdout_mse(on(), p, p.rows);
  double sum = 0.0;
  for (int row = 0; row < 33; ++row) {
    const float* record = p.view().record(p.rows[static_cast<std::size_t>(row)]);
    Doubles x;
    for (int i = 0; i < kS + kA; ++i) {
      const double raw =
          i < kS ? record[kLayout.next_observation() + i] : record[kLayout.action() + i - kS];
      x.push_back((raw - p.state.input_mean[i]) * p.state.input_inv_std[i]);
    }
    const Doubles out = reference::mlp(p.state.layout, values.data(), Activation::kSwish, x);
    for (int i = 0; i < kS; ++i) sum += std::pow(out[i] - record[i], 2);
  }
  sum /= 33.0 * kS;
  EXPECT_NEAR(mse[0], sum, 1e-5 * sum);
}

INSTANTIATE_TEST_SUITE_P(Devices, EnsembleMapsTest, testing::ValuesIn(available_devices()),
                         ParamName());

using EnsembleErrorTest = DeviceTest<>;

TEST_P(EnsembleErrorTest, ALossThatIsNotFiniteNamesMemberAndStep) {
  Problem p(2, 33);
  const auto text = [&] { return error_text<DivergedError>([&] { train(on(), p); }); };
  // a GPU knows the sum over the members alone
  const auto loss = [&](int member) {
    return on() == On::kGpu ? "loss" : "loss of member " + std::to_string(member);
  };
  // a negative NaN prints like any other
  p.state.num_steps = 7;
  float& weight = p.state.member(1)[0];
  const float before = std::exchange(weight, -std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(text(), "ensemble: " + loss(1) +
                        " is nan at model step 7. Lower model.learning_rate, or look at the real "
                        "replay: a reward or observation may be extreme.");

  p.state.num_steps = 0;
  weight = before;
  for (std::size_t row = 0; row < Problem::kRecords; ++row)
    p.records[row * static_cast<std::size_t>(kLayout.pitch()) + kLayout.reward()] =
        std::numeric_limits<float>::infinity();
  EXPECT_TRUE(text().starts_with("ensemble: " + loss(0) + " is inf at model step 0. ")) << text();
}

INSTANTIATE_TEST_SUITE_P(Devices, EnsembleErrorTest, testing::ValuesIn(available_devices()),
                         ParamName());

}  // namespace
}  // namespace mbrl
