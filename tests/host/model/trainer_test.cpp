// Tests for host/model/trainer.{h,cpp}: holdout, bootstrap, snapshots, patience, elites, undo.
#include "host/model/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/networks/initialize.h"
#include "tests/support/configs.h"

namespace mbrl {
namespace {

constexpr int kS = 3, kA = 1;
const TransitionLayout kLayout{kS, kA};

ModelConfig small_config() {
  ModelConfig c = small_mbpo("pendulum").model;
  c.max_epochs = 0;
  return c;
}

// smooth dynamics with little noise
Buffer<float> make_records(int count) {
  Buffer<float> records(static_cast<std::size_t>(count) * kLayout.pitch(), 0.0f);
  const RandomKey key{5, purpose::kInit, 0};
  for (int row = 0; row < count; ++row) {
    float* r = records.data() + static_cast<std::size_t>(row) * kLayout.pitch();
    for (int i = 0; i < kS + kA; ++i)
      r[i] = 2.0f + 3.0f * normal(key, static_cast<std::uint64_t>(row), 0, i);
    r[kLayout.reward()] = std::sin(r[0]) + r[kS];
    for (int i = 0; i < kS; ++i)
      r[kLayout.next_observation() + i] = r[i] + 0.3f * std::cos(r[(i + 1) % kS]) + 0.1f * r[kS];
  }
  return records;
}

struct Fitted {
  EnsembleState state;
  FitReport report;
};
Fitted fit(
    const ModelConfig& config, const Buffer<float>& records, int threads = 2,
    std::function<bool()> should_stop = [] { return false; }, const ModelMaps& maps = {}) {
  ThreadPool pool(threads);
  Stream stream(pool);
  EnsembleState state(config.ensemble_size, kLayout, config.hidden_size, config.num_hidden_layers,
                      Memory::kHost, {find_ensemble_loss(config.loss), maps});
  init_ensemble(state, 1, 0, config.init_max_logvar, config.init_min_logvar);
  ModelTrainer trainer(stream, config, state, 1, 0);
  const TransitionsView view{records.data(), kLayout, records.size() / kLayout.pitch()};
  FitReport report = trainer.fit(stream, config, state, view, 0, should_stop);
  return {std::move(state), std::move(report)};
}

// ---- patience and snapshots, as rules ----

TEST(EarlyStoppingTest, FirstEpochAlwaysSaves) {
  EarlyStopping stopping(2, 0.01f, 5);
  std::set<int> saved;
  EXPECT_FALSE(stopping.update({1e6, 3.0}, [&](int e) { saved.insert(e); }));
  EXPECT_EQ(saved, (std::set<int>{0, 1}));
}

TEST(EarlyStoppingTest, OnlyTheMemberThatFellByMoreThanOnePercentIsSaved) {
  EarlyStopping stopping(3, 0.01f, 5);
  const auto ignore = [](int) {};
  stopping.update({1.0, 1.0, 1.0}, ignore);
  std::set<int> saved;
  stopping.update({0.985, 0.995, 1.2}, [&](int e) { saved.insert(e); });
  EXPECT_EQ(saved, (std::set<int>{0}));
}

TEST(EarlyStoppingTest, ImprovementIsMeasuredAgainstTheLastSavedError) {
  // 0.6 % and 0.6 % more: together above 1 % of the saved value
  EarlyStopping stopping(1, 0.01f, 5);
  stopping.update({1.0}, [](int) {});
  int saves = 0;
  stopping.update({0.994}, [&](int) { ++saves; });
  EXPECT_EQ(saves, 0);
  stopping.update({0.988}, [&](int) { ++saves; });
  EXPECT_EQ(saves, 1);
}

TEST(EarlyStoppingTest, StopsAtTheSixthIdleEpochInARow) {
  EarlyStopping stopping(2, 0.01f, 5);
  const auto ignore = [](int) {};
  stopping.update({1.0, 1.0}, ignore);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(stopping.update({1.0, 1.0}, ignore)) << i;
  EXPECT_TRUE(stopping.update({1.0, 1.0}, ignore));
}

TEST(EarlyStoppingTest, OneImprovingMemberKeepsAllGoing) {
  EarlyStopping stopping(2, 0.01f, 5);
  const auto ignore = [](int) {};
  double falling = 1.0;
  stopping.update({1.0, falling}, ignore);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(stopping.update({1.0, falling *= 0.9}, ignore)) << i;
}

TEST(EarlyStoppingTest, NanIsNoImprovement) {
  EarlyStopping stopping(1, 0.01f, 0);
  int saves = 0;
  EXPECT_TRUE(stopping.update({std::nan("")}, [&](int) { ++saves; }));
  EXPECT_EQ(saves, 0);
}

// ---- whole fits ----

TEST(ModelTrainerTest, LearnsSmoothDynamics) {
  const Buffer<float> records = make_records(2000);
  const Fitted f = fit(small_config(), records);
  // the targets' variance is about 9.5 for the reward and 0.14 for each change: 2.5 on average
  EXPECT_LT(f.report.validation_loss, 0.25);
  EXPECT_GT(f.report.epochs, 6);
  EXPECT_EQ(f.report.steps, f.report.epochs * 50);  // ceil(1600 / 32)
}

TEST(ModelTrainerTest, ReportsWhatTheLossLearnedForAllMembers) {
  ModelConfig config = small_config();
  config.max_epochs = 1;
  const Fitted f = fit(config, make_records(200));
  ASSERT_EQ(f.report.loss_values.size(), 2u);
  EXPECT_EQ(f.report.loss_values[0].name, "max_logvar");
  EXPECT_EQ(f.report.loss_values[1].name, "min_logvar");
  float sum = 0.0f;
  for (int i = 0; i < 1 + kS; ++i) sum += f.state.max_logvar()[i];
  EXPECT_FLOAT_EQ(f.report.loss_values[0].value, sum / (1 + kS));
}

TEST(ModelTrainerTest, LearnsSmoothDynamicsBySquaredErrorAlone) {
  ModelConfig config = small_config();
  config.loss = "mse";
  const Fitted f = fit(config, make_records(2000));
  EXPECT_LT(f.report.validation_loss, 0.25);
  EXPECT_TRUE(f.report.loss_values.empty());
  EXPECT_EQ(f.report.summary().find("logvar"), std::string::npos) << f.report.summary();
}

// every map: targets that vary over a range of about 6 are learned to a small part of it
TEST(ModelTrainerTest, LearnsSmoothDynamicsInEveryMap) {
  const Buffer<float> records = make_records(2000);
  for (const ModelMaps& maps :
       {ModelMaps{.output = OutputMap::kAbsolute}, ModelMaps{.input = InputMap::kBackward},
        ModelMaps{.input = InputMap::kBackward, .output = OutputMap::kAbsolute, .reward = false}}) {
    ModelConfig config = small_config();
    config.loss = "mse";
    config.max_epochs = 1;
    const double first = fit(
                             config, records, 2, [] { return false; }, maps)
                             .report.validation_loss;
    config.max_epochs = 40;
    const double last = fit(
                            config, records, 2, [] { return false; }, maps)
                            .report.validation_loss;
    EXPECT_LT(last, 0.25 * first);
    EXPECT_LT(last, 0.6);
  }
}

// an end is where an entry of the next observation is large, in one row of twelve
Buffer<float> records_with_ends(int count) {
  Buffer<float> records = make_records(count);
  for (int row = 0; row < count; ++row) {
    float* r = records.data() + static_cast<std::size_t>(row) * kLayout.pitch();
    r[kLayout.terminated()] = r[kLayout.next_observation() + 1] > 6.2f ? 1.0f : 0.0f;
  }
  return records;
}

Fitted fit_with_ends(const ModelConfig& config, const Buffer<float>& records, int threads = 2) {
  return fit(config, records, threads, [] { return false; }, {.end = EndTarget::kLogit});
}

TEST(ModelTrainerTest, LearnsWhereEpisodesEnd) {
  const Buffer<float> records = records_with_ends(2000);
  for (const char* loss : {"gaussian_nll", "mse"}) {
    ModelConfig config = small_config();
    config.loss = loss;
    const Fitted f = fit_with_ends(config, records);
    ASSERT_TRUE(f.report.ends);
    EXPECT_GT(f.report.ends->num_ended, 15);
    EXPECT_LT(f.report.ends->num_ended, 60);
    EXPECT_GT(f.report.ends->share_found, 0.6) << loss;
    EXPECT_EQ(f.report.ends->threshold, f.state.end_threshold);
    EXPECT_NE(f.report.summary().find(" of them found"), std::string::npos) << f.report.summary();
    // states and rewards are learned as before
    EXPECT_LT(f.report.validation_loss, 0.3) << loss;
  }
}

TEST(ModelTrainerTest, ATrainedEndDoesNotDependOnTheNumberOfThreads) {
  ModelConfig config = small_config();
  config.max_epochs = 2;
  const Buffer<float> records = records_with_ends(300);
  const Fitted one = fit_with_ends(config, records, 1), three = fit_with_ends(config, records, 3);
  EXPECT_EQ(one.state.end_threshold, three.state.end_threshold);
  EXPECT_NE(one.state.end_threshold, 0.5f);
}

TEST(ModelTrainerTest, WhereNothingEndsNothingIsPredictedTo) {
  ModelConfig config = small_config();
  config.max_epochs = 1;
  const Fitted f = fit_with_ends(config, make_records(200));
  EXPECT_EQ(f.state.end_threshold, std::numeric_limits<float>::max());
  EXPECT_EQ(f.report.ends->num_ended, 0);
  EXPECT_TRUE(std::isnan(f.report.ends->share_found));
}

TEST(ModelTrainerTest, AnEndThatTheHoldoutDoesNotHaveCountsToo) {
  ModelConfig config = small_config();
  config.max_epochs = 1;
  config.max_holdout = 1;
  Buffer<float> records = make_records(200);
  // all but one row that may be held out: an end among the training rows for certain
  for (int row = 0; row < 2; ++row)
    records[static_cast<std::size_t>(row * kLayout.pitch() + kLayout.terminated())] = 1.0f;
  const Fitted f = fit_with_ends(config, records);
  ASSERT_EQ(f.report.ends->num_ended, 0);
  EXPECT_LT(f.state.end_threshold, 100.0f);
}

TEST(ModelTrainerTest, AStoppedFitLeavesTheThresholdAsItWas) {
  int asked = 0;
  const Fitted f = fit(small_config(), records_with_ends(300), 2, [&] { return ++asked > 20; },
                       {.end = EndTarget::kLogit});
  EXPECT_TRUE(f.report.stopped);
  EXPECT_EQ(f.state.end_threshold, 0.5f);
}

TEST(ModelTrainerTest, AFitReadsItsConfigAnew) {
  ModelConfig config = small_config();
  config.max_epochs = 1;
  const Buffer<float> records = make_records(200);
  ThreadPool pool(1);
  Stream stream(pool);
  EnsembleState state(config.ensemble_size, kLayout, config.hidden_size, config.num_hidden_layers);
  init_ensemble(state, 1, 0, config.init_max_logvar, config.init_min_logvar);
  ModelTrainer trainer(stream, config, state, 1, 0);
  const TransitionsView view{records.data(), kLayout, 200};
  const auto never = [] { return false; };
  EXPECT_EQ(trainer.fit(stream, config, state, view, 0, never).num_holdout, 40);
  config.max_holdout = 7;
  config.max_epochs = 3;
  config.learning_rate = 1e-20f;
  const std::vector<float> before = to_host(state.members.value);
  const FitReport report = trainer.fit(stream, config, state, view, 1, never);
  EXPECT_EQ(report.num_holdout, 7);
  EXPECT_EQ(report.epochs, 3);
  EXPECT_EQ(to_host(state.members.value), before) << "no step is that small";
}

TEST(ModelTrainerTest, HoldoutIsAFifthUpToItsLimit) {
  ModelConfig config = small_config();
  config.max_epochs = 1;
  const Buffer<float> records = make_records(1003);
  EXPECT_EQ(fit(config, records).report.num_holdout, 200);
  // as the ratio is written: the nearest float would leave 279 of 400
  config.holdout_ratio = 0.7;
  EXPECT_EQ(fit(config, make_records(400)).report.num_holdout, 280);
  config.holdout_ratio = 0.2;
  config.max_holdout = 50;
  const FitReport report = fit(config, records).report;
  EXPECT_EQ(report.num_holdout, 50);
  EXPECT_EQ(report.num_train, 953);
  EXPECT_EQ(report.steps, 30);  // the short last batch is used
}

TEST(ModelTrainerTest, ElitesAreTheMembersWithTheSmallestHoldoutError) {
  const Fitted f = fit(small_config(), make_records(500));
  ASSERT_EQ(f.state.elites.size(), 2u);
  std::vector<double> sorted = f.report.holdout_mse;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(f.report.holdout_mse[f.state.elites[0]], sorted[0]);
  EXPECT_EQ(f.report.holdout_mse[f.state.elites[1]], sorted[1]);
  EXPECT_NEAR(f.report.validation_loss, (sorted[0] + sorted[1]) / 2, 1e-12);
}

TEST(ModelTrainerTest, ReportedErrorsAreThoseOfTheRestoredSnapshots) {
  ModelConfig config = small_config();
  const Buffer<float> records = make_records(500);
  config.max_epochs = 1;
  const Fitted one = fit(config, records);
  config.max_epochs = 0;
  config.min_improvement = 0.999f;  // only the first epoch, measured against 1e10, counts
  const Fitted many = fit(config, records);
  EXPECT_EQ(many.report.epochs, 7);
  EXPECT_TRUE(std::equal(one.state.members.value.begin(), one.state.members.value.end(),
                         many.state.members.value.begin()))
      << "the snapshot of epoch 1 comes back";
  EXPECT_FALSE(std::equal(one.state.members.m.begin(), one.state.members.m.end(),
                          many.state.members.m.begin()))
      << "Adam's moments stay where training left them";
  EXPECT_NE(one.state.max_logvar()[0], many.state.max_logvar()[0]) << "and so do the bounds";
  EXPECT_EQ(one.report.holdout_mse, many.report.holdout_mse);
}

TEST(ModelTrainerTest, ScalerIsFittedOnTheTrainingRows) {
  const Fitted f = fit(small_config(), make_records(2000));
  for (int i = 0; i < kS + kA; ++i) {
    EXPECT_NEAR(f.state.input_mean[i], 2.0, 0.3);
    EXPECT_NEAR(1.0 / f.state.input_inv_std[i], 3.0, 0.3);
  }
}

TEST(ModelTrainerTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const Buffer<float> records = make_records(300);
  const Fitted one = fit(small_config(), records, 1), three = fit(small_config(), records, 3);
  EXPECT_EQ(one.report.holdout_mse, three.report.holdout_mse);
  EXPECT_TRUE(std::equal(one.state.members.value.begin(), one.state.members.value.end(),
                         three.state.members.value.begin()));
}

TEST(ModelTrainerTest, AStoppedFitLeavesTheEnsembleAsItWas) {
  const ModelConfig config = small_config();
  int asked = 0;
  const Fitted f = fit(config, make_records(500), 2, [&] { return ++asked > 100; });
  EXPECT_TRUE(f.report.stopped);
  EnsembleState fresh(3, kLayout, config.hidden_size, config.num_hidden_layers);
  init_ensemble(fresh, 1, 0, config.init_max_logvar, config.init_min_logvar);
  EXPECT_TRUE(std::equal(fresh.members.value.begin(), fresh.members.value.end(),
                         f.state.members.value.begin()));
  EXPECT_TRUE(
      std::equal(fresh.members.v.begin(), fresh.members.v.end(), f.state.members.v.begin()));
  EXPECT_TRUE(std::equal(fresh.logvar_bounds.value.begin(), fresh.logvar_bounds.value.end(),
                         f.state.logvar_bounds.value.begin()));
  EXPECT_EQ(f.state.num_steps, 0);
  EXPECT_EQ(f.state.input_mean[0], 0.0f);
}

// the loss stays finite: log variances grow with the errors
TEST(ModelTrainerTest, AMemberThatNoEpochImprovedEndsTheFit) {
  ModelConfig config = small_config();
  config.learning_rate = 30.0f;
  config.max_epochs = 2;
  try {
    fit(config, make_records(200));
    FAIL() << "there is no snapshot to put back";
  } catch (const DivergedError& error) {
    const std::string text = error.what();
    EXPECT_TRUE(
        text.starts_with("model fit 1: none of 2 epochs gave member 0 a holdout error "
                         "below 9.9e+09; the last is "))
        << text;
    EXPECT_TRUE(
        text.ends_with(". Lower model.learning_rate, or look at the real replay: a reward "
                       "or observation may be extreme."))
        << text;
  }
}

// one member of several, and errors that are finite but of no use
TEST(ModelTrainerTest, TheMemberWithoutASnapshotIsNamed) {
  ModelConfig config = small_config();
  config.max_epochs = 1;
  config.learning_rate = 1e-6f;
  const Buffer<float> records = make_records(200);
  ThreadPool pool(1);
  Stream stream(pool);
  EnsembleState state(config.ensemble_size, kLayout, config.hidden_size, config.num_hidden_layers);
  init_ensemble(state, 1, 0, 60.0f, 50.0f);  // variances wide enough for what follows
  const LayerLayout& last = state.layout.layers.back();
  state.member(1)[last.bias] = 1e9f;
  ModelTrainer trainer(stream, config, state, 1, 0);
  try {
    trainer.fit(stream, config, state, {records.data(), kLayout, 200}, 4, [] { return false; });
    FAIL() << "member 1 is off by 1e9";
  } catch (const DivergedError& error) {
    EXPECT_TRUE(std::string(error.what())
                    .starts_with("model fit 5: none of 1 epochs gave member 1 a holdout error "
                                 "below 9.9e+09; the last is 2.5e+17. "))
        << error.what();
  }
}

TEST(ModelTrainerTest, AnEarlierFitsSnapshotIsNoneOfThisOnes) {
  ModelConfig config = small_config();
  config.max_epochs = 1;
  config.learning_rate = 1e-6f;
  const Buffer<float> records = make_records(200);
  ThreadPool pool(1);
  Stream stream(pool);
  EnsembleState state(config.ensemble_size, kLayout, config.hidden_size, config.num_hidden_layers);
  init_ensemble(state, 1, 0, 60.0f, 50.0f);
  ModelTrainer trainer(stream, config, state, 1, 0);
  const auto fit = [&](std::uint64_t index) {
    trainer.fit(stream, config, state, {records.data(), kLayout, 200}, index, [] { return false; });
  };
  fit(0);
  state.member(1)[state.layout.layers.back().bias] = 1e9f;
  EXPECT_THROW(fit(1), DivergedError);
}

TEST(ModelTrainerTest, OneRowIsTooFew) {
  try {
    fit(small_config(), make_records(1));
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(),
                 "model fit: the real replay holds 1 transitions; at least 2 are needed. Raise "
                 "loop.num_exploration_steps.");
  }
}

}  // namespace
}  // namespace mbrl
