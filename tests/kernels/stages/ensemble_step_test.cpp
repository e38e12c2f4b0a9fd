// Tests for kernels/stages/ensemble/ensemble_step.{h,cpp}: the loss of all members and its gradients, the shared
// bounds, decay, and the holdout error.
#include "kernels/stages/ensemble/ensemble_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "tests/support/reference.h"
#include "kernels/networks/initialize.h"

namespace mbrl {
namespace {

using reference::Doubles;

constexpr int kS = 3, kA = 2, kD = 1 + kS, kRecords = 200;
const TransitionLayout kLayout{kS, kA};

struct Problem {
  Buffer<float> records{static_cast<std::size_t>(kRecords) * kLayout.pitch(), 0.0f};
  EnsembleState state;
  EnsembleConstants constants;
  std::vector<std::uint32_t> indices;
  Matrix<const std::uint32_t> rows;
  int batch_size;

  Problem(int members, int batch) : state(members, kLayout, 10, 2), batch_size(batch) {
    const RandomKey key{5, purpose::kInit, 0};
    for (int row = 0; row < kRecords; ++row)
      for (int i = 0; i < kLayout.next_observation() + kS; ++i)
        records[static_cast<std::size_t>(row) * kLayout.pitch() + i] =
            normal(key, static_cast<std::uint64_t>(row), 1, i);
    init_ensemble(state, 9, 0, 0.5f, -10.0f);
    for (int e = 0; e < members; ++e)
      for (const LayerLayout& l : state.layout.layers)
        for (int o = 0; o < l.out; ++o)
          state.member(e)[l.bias + o] = 0.3f * normal(key, 2, static_cast<std::uint32_t>(o), e);
    // bounds close to the raw outputs, so that both sides bend
    for (int i = 0; i < kD; ++i) {
      state.max_logvar()[i] = 0.5f + 0.1f * static_cast<float>(i);
      state.min_logvar()[i] = -1.0f - 0.2f * static_cast<float>(i);
    }
    for (int i = 0; i < kS + kA; ++i) {
      state.input_mean[i] = 0.1f * static_cast<float>(i);
      state.input_inv_std[i] = 1.0f + 0.2f * static_cast<float>(i);
    }
    constants.weight_decay = {0.01f, 0.02f, 0.03f};
    for (int i = 0; i < members * batch; ++i)
      indices.push_back(uniform_index(key.bits(3, static_cast<std::uint32_t>(i)).x, kRecords));
    rows = {indices.data(), members, batch};
  }
  TransitionsView view() const { return {records.data(), kLayout, kRecords}; }
};

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

// what ensemble_step minimises: NLL, decay and the bounds' penalty
double full_loss(const Problem& p, const Doubles& members, const Doubles& max_logvar,
                 const Doubles& min_logvar, double* nll_only = nullptr) {
  double nll = 0.0, decay = 0.0, penalty = 0.0;
  for (int e = 0; e < p.state.ensemble_size; ++e) {
    const double* member = members.data() + e * p.state.layout.size;
    for (int row = 0; row < p.batch_size; ++row) {
      const float* record = p.view().record(p.rows.row(e)[row]);
      const Doubles out =
          reference::mlp(p.state.layout, member, Activation::kSwish, scaled_input(p, record));
      for (int i = 0; i < kD; ++i) {
        const double lv = reference::bound_logvar(out[kD + i], max_logvar[i], min_logvar[i]);
        nll += (std::pow(out[i] - target(record, i), 2) * std::exp(-lv) + lv) / (p.batch_size * kD);
      }
    }
    for (int l = 0; l < p.state.layout.num_layers(); ++l) {
      const LayerLayout& layer = p.state.layout.layers[l];
      for (int j = 0; j < layer.out * layer.in_pitch; ++j)
        decay += static_cast<double>(p.constants.weight_decay[l]) * 0.5 *
                 std::pow(member[layer.weight + static_cast<std::size_t>(j)], 2);
    }
  }
  for (int i = 0; i < kD; ++i)
    penalty += static_cast<double>(p.constants.logvar_penalty) * (max_logvar[i] - min_logvar[i]);
  if (nll_only != nullptr) *nll_only = nll;
  return nll + decay + penalty;
}

class EnsembleStepTest : public testing::TestWithParam<std::pair<int, int>> {};

TEST_P(EnsembleStepTest, GradientsMatchDifferencesOfTheLoss) {
  const auto [members, batch] = GetParam();
  Problem p(members, batch);
  Doubles values = reference::to_double(p.state.members.value);
  Doubles max_logvar(p.state.max_logvar(), p.state.max_logvar() + kD);
  Doubles min_logvar(p.state.min_logvar(), p.state.min_logvar() + kD);

  ThreadPool pool(2);
  Stream stream(pool);
  EnsembleWorkspace workspace(stream, p.state, batch);
  const float loss =
      ensemble_epoch(stream, p.state, p.view(), p.rows, batch, p.constants, workspace).loss;

  double nll = 0.0;
  const auto reference_loss = [&] { return full_loss(p, values, max_logvar, min_logvar); };
  full_loss(p, values, max_logvar, min_logvar, &nll);
  EXPECT_NEAR(loss, nll, 1e-5 * (1.0 + std::abs(nll)));

  // after the first Adam step m = 0.1 g
  double norm = 0.0, error = 0.0;
  for (std::size_t i = 0; i < values.size(); i += 3) {
    const double expected = reference::derivative(values[i], reference_loss, 1e-6);
    norm += expected * expected;
    error += std::pow(p.state.members.m[i] / (1.0 - 0.9f) - expected, 2);
  }
  EXPECT_GT(norm, 1e-6);
  EXPECT_LT(std::sqrt(error / norm), 1e-5);
  for (int i = 0; i < kD; ++i) {
    EXPECT_NEAR(p.state.logvar_bounds.m[i] / (1.0 - 0.9f),
                reference::derivative(max_logvar[i], reference_loss), 2e-5);
    EXPECT_NEAR(p.state.logvar_bounds.m[padded(kD) + i] / (1.0 - 0.9f),
                reference::derivative(min_logvar[i], reference_loss), 2e-5);
  }
}

TEST_P(EnsembleStepTest, HoldoutErrorIsTheMeanSquaredErrorOfTheMean) {
  const auto [members, batch] = GetParam();
  Problem p(members, batch);
  const Doubles values = reference::to_double(p.state.members.value);
  ThreadPool pool(2);
  Stream stream(pool);
  EnsembleWorkspace workspace(stream, p.state, batch);
  std::vector<std::uint32_t> holdout;
  for (std::uint32_t i = 3; i < 120; ++i) holdout.push_back(i);
  std::vector<double> mse(static_cast<std::size_t>(members));
  ensemble_holdout_mse(stream, p.state, p.view(), {holdout.data(), holdout.size()}, mse, workspace);
  for (int e = 0; e < members; ++e) {
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
  const auto [members, batch] = GetParam();
  Problem one(members, batch), three(members, batch);
  for (Problem* p : {&one, &three}) {
    const int threads = p == &one ? 1 : 3;
    ThreadPool pool(threads);
    Stream stream(pool);
    EnsembleWorkspace workspace(stream, p->state, batch);
    for (int i = 0; i < 4; ++i)
      ensemble_epoch(stream, p->state, p->view(), p->rows, batch, p->constants, workspace);
  }
  EXPECT_TRUE(std::equal(one.state.members.value.begin(), one.state.members.value.end(),
                         three.state.members.value.begin()));
  EXPECT_TRUE(std::equal(one.state.logvar_bounds.value.begin(), one.state.logvar_bounds.value.end(),
                         three.state.logvar_bounds.value.begin()));
}

INSTANTIATE_TEST_SUITE_P(Sizes, EnsembleStepTest,
                         testing::Values(std::pair(1, 5), std::pair(3, 33), std::pair(2, 64)));

TEST(EnsembleInitTest, WeightsAreTruncatedNormalWithDeviationHalfOverRootOfInputs) {
  EnsembleState state(7, {11, 3}, 200, 4);
  init_ensemble(state, 1, 0, 0.5f, -10.0f);
  for (const LayerLayout& l : state.layout.layers) {
    const double deviation = 0.5 / std::sqrt(static_cast<double>(l.in));
    double sum = 0.0, squares = 0.0, largest = 0.0, count = 0.0;
    for (int e = 0; e < 7; ++e) {
      for (int o = 0; o < l.out; ++o) {
        EXPECT_EQ(state.member(e)[l.bias + o], 0.0f);
        for (int i = 0; i < l.in; ++i) {
          const double w =
              state.member(e)[l.weight + static_cast<std::size_t>(o) * l.in_pitch + i] / deviation;
          sum += w;
          squares += w * w;
          largest = std::max(largest, std::abs(w));
          ++count;
        }
      }
    }
    EXPECT_NEAR(sum / count, 0.0, 5.0 / std::sqrt(count));
    // variance of a standard normal cut at 2: 0.7737
    EXPECT_NEAR(squares / count, 0.7737, 5.0 / std::sqrt(count));
    EXPECT_LE(largest, 2.0 + 1e-5);
    EXPECT_GT(largest, 1.9);
  }
}

TEST(EnsembleInitTest, MembersDiffer) {
  EnsembleState state(3, kLayout, 10, 2);
  init_ensemble(state, 1, 0, 0.5f, -10.0f);
  EXPECT_NE(state.member(0)[0], state.member(1)[0]);
  EXPECT_NE(state.member(1)[0], state.member(2)[0]);
}

TEST(EnsembleErrorTest, ALossThatIsNotFiniteNamesMemberAndStep) {
  Problem p(2, 33);
  ThreadPool pool(1);
  Stream stream(pool);
  EnsembleWorkspace workspace(stream, p.state, 33);
  const auto text = [&] {
    try {
      ensemble_epoch(stream, p.state, p.view(), p.rows, 33, p.constants, workspace);
      return std::string("no error");
    } catch (const DivergedError& error) {
      return std::string(error.what());
    }
  };
  // a negative NaN prints like any other
  p.state.num_steps = 7;
  float& weight = p.state.member(1)[0];
  const float before = std::exchange(weight, -std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(text(),
            "ensemble: loss of member 1 is nan at model step 7. Lower model.learning_rate, or look "
            "at the real replay: a reward or observation may be extreme.");

  p.state.num_steps = 0;
  weight = before;
  for (int row = 0; row < kRecords; ++row)
    p.records[static_cast<std::size_t>(row) * kLayout.pitch() + kLayout.reward()] =
        std::numeric_limits<float>::infinity();
  EXPECT_TRUE(text().starts_with("ensemble: loss of member 0 is inf at model step 0. ")) << text();
}

}  // namespace
}  // namespace mbrl
