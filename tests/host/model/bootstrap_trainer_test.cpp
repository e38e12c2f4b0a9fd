// Tests for host/model/bootstrap_trainer.{h,cpp}: bootstrap, epochs, scaler, warm start, undo, and
// which transitions a model may learn from.
#include "host/model/bootstrap_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "base/error.h"
#include "kernels/networks/initialize.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"
#include "tests/support/float64.h"
#include "tests/support/reference.h"

namespace mbrl {
namespace {

using reference::Doubles;

constexpr int kS = 2, kA = 1;
const TransitionLayout kLayout{kS, kA};

// an angle and its rate, of which the model predicts the rate itself
ModelMaps angle_maps() {
  using enum ObservationMap::Read;
  return {.reward = false,
          .observation = {
              .num_inputs = 3, .input = {{0, kSine}, {0, kCosine}, {1, kValue}}, .absolute = 0b10}};
}

Buffer<float> make_records(int count) {
  Buffer<float> records(static_cast<std::size_t>(count) * kLayout.pitch(), 0.0f);
  const RandomKey key{5, purpose::kInit, 0};
  for (int row = 0; row < count; ++row) {
    float* r = records.data() + static_cast<std::size_t>(row) * kLayout.pitch();
    for (int i = 0; i < kS + kA; ++i) r[i] = normal(key, static_cast<std::uint64_t>(row), 0, i);
    r[kLayout.next_observation()] = r[0] + 0.1f * r[1];
    r[kLayout.next_observation() + 1] = 0.9f * r[1] - 0.5f * std::sin(r[0]) + 0.3f * r[2];
  }
  return records;
}

ModelConfig small_config() {
  ModelConfig c = tiny_mbpo("pendulum").model;
  c.batch_size = 4;
  c.epochs = 3;
  c.weight_decay = {1e-3f, 2e-3f};
  return c;
}

/// An ensemble, its trainer, and its data on one stream.
struct Session {
  explicit Session(const ModelConfig& c, int rows, int threads = 2)
      : config(c),
        records(make_records(rows)),
        pool(threads),
        state(c.ensemble_size, kLayout, c.hidden_size, c.num_hidden_layers, Memory::kHost,
              {find_ensemble_loss(c.loss), angle_maps()}),
        trainer(stream, c, state, 1, 0) {
    init_ensemble(state, 1, 0, c.init_max_logvar, c.init_min_logvar);
  }
  FitReport fit(
      std::uint64_t index = 0, const std::function<bool()>& should_stop = [] { return false; },
      std::size_t rows = 0) {
    const std::size_t all = records.size() / static_cast<std::size_t>(kLayout.pitch());
    return trainer.fit(stream, config, state, {records.data(), kLayout, rows > 0 ? rows : all},
                       index, should_stop);
  }

  ModelConfig config;
  Buffer<float> records;
  ThreadPool pool;
  Stream stream{pool};
  EnsembleState state;
  BootstrapTrainer trainer;
};

std::vector<float> values(const EnsembleState& state) {
  std::vector<float> all = to_host(state.members.value);
  for (const Buffer<float>* more :
       {&state.members.m, &state.members.v, &state.logvar_bounds.value, &state.logvar_bounds.m,
        &state.input_mean, &state.input_inv_std})
    for (const float value : to_host(*more)) all.push_back(value);
  return all;
}

// An epoch in float64: the draw, partial batches, loss of all members, decay, penalty, Adam.
class Float64Epoch {
 public:
  explicit Float64Epoch(const Session& s)
      : s_(s),
        members_(reference::to_double(s.state.members.value)),
        bounds_(reference::to_double(s.state.logvar_bounds.value)),
        m_(members_.size() + bounds_.size(), 0.0),
        v_(m_) {}

  void run(const std::vector<std::uint32_t>& rows, int num_rows) {
    const int batch = s_.config.batch_size;
    for (int at = 0; at < num_rows; at += batch)
      step(rows, num_rows, at, std::min(batch, num_rows - at));
  }

  const Doubles& members() const { return members_; }
  const Doubles& bounds() const { return bounds_; }

 private:
  double loss(const std::vector<std::uint32_t>& rows, int num_rows, int first, int count) const {
    const EnsembleState& state = s_.state;
    const auto pitch = static_cast<std::size_t>(padded(kS));
    double sum = 0.0;
    for (int e = 0; e < state.ensemble_size; ++e) {
      const double* member = members_.data() + static_cast<std::size_t>(e) * state.layout.size;
      for (int i = 0; i < count; ++i) {
        const float* r =
            s_.records.data() + rows[static_cast<std::size_t>(e * num_rows + first + i)] *
                                    static_cast<std::size_t>(kLayout.pitch());
        const Doubles raw{std::sin(static_cast<double>(r[0])), std::cos(static_cast<double>(r[0])),
                          r[1], r[2]};
        Doubles x;
        for (std::size_t j = 0; j < raw.size(); ++j)
          x.push_back((raw[j] - state.input_mean[j]) * state.input_inv_std[j]);
        const Doubles out = reference::mlp(state.layout, member, Activation::kSwish, x);
        const double target[kS] = {static_cast<double>(r[kLayout.next_observation()]) - r[0],
                                   r[kLayout.next_observation() + 1]};
        for (std::size_t j = 0; j < kS; ++j) {
          const double lv = reference::bound_logvar(out[kS + j], bounds_[j], bounds_[pitch + j]);
          sum += (std::pow(out[j] - target[j], 2) * std::exp(-lv) + lv) / (count * kS);
        }
      }
      for (int l = 0; l < state.layout.num_layers(); ++l) {
        const LayerLayout& layer = state.layout.layers[static_cast<std::size_t>(l)];
        for (int j = 0; j < layer.out * layer.in_pitch; ++j)
          sum += static_cast<double>(s_.config.weight_decay[static_cast<std::size_t>(l)]) * 0.5 *
                 std::pow(member[layer.weight + static_cast<std::size_t>(j)], 2);
      }
    }
    for (std::size_t j = 0; j < kS; ++j)
      sum += static_cast<double>(s_.config.logvar_penalty) * (bounds_[j] - bounds_[pitch + j]);
    return sum;
  }

  void step(const std::vector<std::uint32_t>& rows, int num_rows, int first, int count) {
    const auto of_batch = [&] { return loss(rows, num_rows, first, count); };
    Doubles gradient = reference::gradient(members_, of_batch);
    for (const double g : reference::gradient(bounds_, of_batch)) gradient.push_back(g);
    ++t_;
    const double rate = static_cast<double>(s_.config.learning_rate) *
                        std::sqrt(1.0 - std::pow(0.999, t_)) / (1.0 - std::pow(0.9, t_));
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      m_[i] = 0.9 * m_[i] + 0.1 * gradient[i];
      v_[i] = 0.999 * v_[i] + 0.001 * gradient[i] * gradient[i];
      double& value = i < members_.size() ? members_[i] : bounds_[i - members_.size()];
      // what no gradient reaches stays
      if (gradient[i] != 0.0) value -= rate * m_[i] / (std::sqrt(v_[i]) + 1e-8);
    }
  }

  const Session& s_;
  Doubles members_, bounds_, m_, v_;
  int t_ = 0;
};

TEST(BootstrapTrainerTest, AnEpochIsThatOfFloat64) {
  ModelConfig config = small_config();
  config.hidden_size = 4;
  config.epochs = 1;
  constexpr int kRows = 6;  // a whole batch and a partial one
  Session s(config, kRows);
  Session before(config, kRows);
  const FitReport report = s.fit(7);
  EXPECT_EQ(report.steps, 2);
  EXPECT_EQ(report.epochs, 1);
  EXPECT_EQ(report.num_train, kRows);

  // the same draw and scaler, and weights of before
  std::vector<std::uint32_t> rows(2 * kRows);
  const std::vector<std::uint32_t> all{0, 1, 2, 3, 4, 5};
  draw_rows(s.stream, {rows.data(), 2, kRows}, {all.data(), kRows},
            RandomKey{1, purpose::kBootstrap, 0}, 7);
  for (std::size_t i = 0; i < 4; ++i) {
    before.state.input_mean[i] = s.state.input_mean[i];
    before.state.input_inv_std[i] = s.state.input_inv_std[i];
  }
  Float64Epoch wanted(before);
  wanted.run(rows, kRows);
  const std::vector<float> found = to_host(s.state.members.value);
  const std::vector<float> start = to_host(before.state.members.value);
  double moved = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    // Adam's first steps are as long for a gradient of nothing but rounding
    EXPECT_NEAR(found[i], wanted.members()[i], 2e-5) << i;
    moved = std::max(moved, static_cast<double>(std::abs(found[i] - start[i])));
  }
  EXPECT_GT(moved, 1e-3);
  for (std::size_t i = 0; i < kS; ++i) {
    EXPECT_NEAR(s.state.max_logvar()[i], wanted.bounds()[i], 2e-5);
    EXPECT_NEAR(s.state.min_logvar()[i], wanted.bounds()[static_cast<std::size_t>(padded(kS)) + i],
                2e-5);
  }
}

TEST(BootstrapTrainerTest, TheScalerIsThatOfAllRowsDrawnOrNot) {
  Session s(small_config(), 50);
  s.fit();
  double mean = 0.0, square = 0.0;
  for (int row = 0; row < 50; ++row) {
    const double rate = s.records[static_cast<std::size_t>(row * kLayout.pitch() + 1)];
    mean += rate / 50;
    square += rate * rate / 50;
  }
  EXPECT_NEAR(s.state.input_mean[2], mean, 1e-6);
  EXPECT_NEAR(s.state.input_inv_std[2], 1.0 / std::sqrt(square - mean * mean), 1e-5);
}

TEST(BootstrapTrainerTest, AFitHasSoManyEpochsOfSoManyBatches) {
  Session s(small_config(), 9);  // 4, 4 and 1 rows
  std::vector<int> epochs;
  const FitReport report = s.trainer.fit(
      s.stream, s.config, s.state, {s.records.data(), kLayout, 9}, 0, [] { return false; },
      [&](int epoch) { epochs.push_back(epoch); });
  EXPECT_EQ(epochs, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(report.steps, 9);
  EXPECT_EQ(s.state.num_steps, 9);
  EXPECT_EQ(report.num_holdout, 0);
  EXPECT_EQ(report.summary().find("holdout"), std::string::npos) << report.summary();
}

TEST(BootstrapTrainerTest, EachFitDrawsAnewAndGoesOnFromTheLast) {
  Session one(small_config(), 20), other(small_config(), 20);
  one.fit(0);
  other.fit(1);
  EXPECT_NE(values(one.state), values(other.state)) << "another draw";
  const std::vector<float> after_one = values(one.state);
  one.fit(1);
  EXPECT_NE(values(one.state), after_one);
  EXPECT_EQ(one.state.num_steps, 30) << "weights and moments go on";
  EXPECT_NE(values(one.state), values(other.state)) << "and were those of the first fit";
}

TEST(BootstrapTrainerTest, LearnsSmoothDynamics) {
  ModelConfig config = small_config();
  config.hidden_size = 32;
  config.batch_size = 32;
  config.learning_rate = 3e-3f;
  config.epochs = 1;
  Session s(config, 1000);
  const float first = s.fit(0).train_loss;
  s.config.epochs = 20;
  EXPECT_LT(s.fit(1).train_loss, first - 4.0f);
}

TEST(BootstrapTrainerTest, OneDecayIsThatOfEveryLayer) {
  ModelConfig list = small_config();
  list.weight_decay = {0.1f, 0.1f};
  ModelConfig single = list;
  single.weight_decay = {0.1f};
  Session a(list, 20), b(single, 20);
  a.fit();
  b.fit();
  EXPECT_EQ(values(a.state), values(b.state));
}

TEST(BootstrapTrainerTest, AnyNumberOfThreadsGivesTheSameFit) {
  Session one(small_config(), 40, 1), four(small_config(), 40, 4);
  one.fit();
  four.fit();
  EXPECT_EQ(values(one.state), values(four.state));
}

TEST(BootstrapTrainerTest, ALargerReplayGivesWhatATrainerOfItsOwnWould) {
  Session grown(small_config(), 40), fresh(small_config(), 40);
  grown.fit(
      0, [] { return false; }, 5);
  copy(fresh.stream, fresh.state.members.value.data(), grown.state.members.value.data(),
       grown.state.members.value.size());
  copy(fresh.stream, fresh.state.members.m.data(), grown.state.members.m.data(),
       grown.state.members.m.size());
  copy(fresh.stream, fresh.state.members.v.data(), grown.state.members.v.data(),
       grown.state.members.v.size());
  for (auto part : {&TrainedParameters::value, &TrainedParameters::m, &TrainedParameters::v})
    copy(fresh.stream, (fresh.state.logvar_bounds.*part).data(),
         (grown.state.logvar_bounds.*part).data(), grown.state.logvar_bounds.value.size());
  fresh.state.num_steps = grown.state.num_steps;
  grown.fit(1);
  fresh.fit(1);
  EXPECT_EQ(values(grown.state), values(fresh.state));
}

TEST(BootstrapTrainerTest, AStopUndoesTheFit) {
  Session s(small_config(), 20);
  s.fit(0);
  const std::vector<float> before = values(s.state);
  int asked = 0;
  const FitReport report = s.fit(1, [&] { return ++asked > 7; });
  EXPECT_TRUE(report.stopped);
  EXPECT_EQ(values(s.state), before);
  EXPECT_EQ(s.state.num_steps, 15);
  Session whole(small_config(), 20);
  whole.fit(0);
  whole.fit(1);
  s.fit(1);
  EXPECT_EQ(values(s.state), values(whole.state)) << "and is repeated as it would have been";
}

TEST(BootstrapTrainerTest, WithoutRowsThereIsNothingToFit) {
  Session s(small_config(), 1);
  EXPECT_NE(error_text<DataError>([&] {
              s.trainer.fit(s.stream, s.config, s.state, {s.records.data(), kLayout, 0}, 0,
                            [] { return false; });
            }).find("the real replay is empty"),
            std::string::npos);
  EXPECT_NO_THROW(s.fit()) << "one is enough";
}

TEST(IsLearnableTest, NoTargetIsBeyondTheLimitOnEitherSide) {
  const Buffer<float> record = make_records(1);
  const auto with = [&](int entry, float value) {
    std::vector<float> changed(record.begin(), record.end());
    changed[static_cast<std::size_t>(entry)] = value;
    return is_learnable(angle_maps(), kLayout, changed.data(), 100.0f);
  };
  const int next = kLayout.next_observation();
  EXPECT_TRUE(with(next, record[0]));
  // the rate is predicted itself, the angle by its change
  EXPECT_TRUE(with(next + 1, 100.0f));
  EXPECT_TRUE(with(next + 1, -100.0f));
  EXPECT_FALSE(with(next + 1, 100.001f));
  EXPECT_FALSE(with(next + 1, -100.001f));
  EXPECT_FALSE(with(next, record[0] + 101.0f));
  EXPECT_FALSE(with(next, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_FALSE(with(next, std::numeric_limits<float>::infinity()));
  // no target: the reward, which the model does not predict
  EXPECT_TRUE(with(kLayout.reward(), 1e30f));
}

}  // namespace
}  // namespace mbrl
