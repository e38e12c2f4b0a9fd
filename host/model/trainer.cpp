#include "host/model/trainer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "host/model/end_rule.h"
#include "host/stats/summary.h"
#include "kernels/data/ended.h"
#include "kernels/data/permutation.h"
#include "kernels/formulas/rollout_rows.h"
#include "kernels/networks/normalizer.h"

namespace mbrl {
namespace {

// memory for at least `size` elements, half as many again, so that it seldom grows
template <typename T>
void reserve(Stream& stream, Buffer<T>& buffer, std::size_t size) {
  if (buffer.size() < size)
    buffer = Buffer<T>(size + size / 2, stream.memory(), "training rows of the model");
}

}  // namespace

bool EarlyStopping::update(const std::vector<double>& mse, const std::function<void(int)>& save) {
  bool any = false;
  for (std::size_t i = 0; i < mse.size(); ++i) {
    if (!((best_[i] - mse[i]) / best_[i] > min_improvement_)) continue;
    best_[i] = mse[i];
    save(static_cast<int>(i));
    any = true;
  }
  idle_epochs_ = any ? 0 : idle_epochs_ + 1;
  return idle_epochs_ > patience_;
}

ModelTrainer::ModelTrainer(Stream& stream, const ModelConfig& config, const EnsembleState& state,
                           std::uint32_t seed, std::uint32_t learner, const Gemm& gemm)
    : ensemble_size_(state.ensemble_size),
      batch_size_(config.batch_size),
      seed_(seed),
      learner_(learner),
      workspace_(stream, state, config.batch_size, gemm),
      before_(stream, state),
      snapshot_(state.members.value.size(), stream.memory(), "model snapshot"),
      has_snapshot_(static_cast<std::size_t>(state.ensemble_size)) {}

// random split of all rows, then one bootstrap sample of the training rows per member
void ModelTrainer::split(Stream& stream, const ModelConfig& config, std::size_t num_rows,
                         std::uint64_t fit_index) {
  const auto E = static_cast<std::size_t>(ensemble_size_);
  const auto share = static_cast<std::size_t>(config.holdout_ratio * static_cast<double>(num_rows));
  num_holdout_ = std::clamp<std::size_t>(share, 1, static_cast<std::size_t>(config.max_holdout));
  num_train_ = num_rows - num_holdout_;
  reserve(stream, permutation_, num_rows);
  reserve(stream, bootstrap_, E * num_train_);
  reserve(stream, shuffled_, E * num_train_);
  random_permutation(stream, {permutation_.data(), num_rows},
                     RandomKey{seed_, purpose::kHoldout, learner_}, fit_index, 0, scratch_[0]);
  draw_rows(stream, bootstrap(), training(), RandomKey{seed_, purpose::kBootstrap, learner_},
            fit_index);
}

FitReport ModelTrainer::fit(Stream& stream, const ModelConfig& config, EnsembleState& state,
                            const TransitionsView& data, std::uint64_t fit_index,
                            const std::function<bool()>& should_stop, const OnEpoch& on_epoch) {
  if (data.size < 2)
    throw DataError("model fit: the real replay holds " + std::to_string(data.size) +
                    " transitions; at least 2 are needed. Raise loop.num_exploration_steps.");
  const auto start = std::chrono::steady_clock::now();
  FitReport report;
  before_.save(stream, state);
  split(stream, config, data.size, fit_index);
  report.num_train = static_cast<int>(num_train_);
  report.num_holdout = static_cast<int>(num_holdout_);
  fit_normalizer(
      stream, data, state.maps, training(), {state.input_mean.data(), state.num_inputs()},
      {state.input_inv_std.data(), state.num_inputs()}, config.min_input_std, normalizer_scratch_);
  if (state.maps.end == EndTarget::kLogit) {
    const std::vector<float> truth = ended(stream, data, training());
    end_weights_ = balanced_weights(truth);
    any_ended_ = std::find(truth.begin(), truth.end(), 1.0f) != truth.end();
  }
  if (!train(stream, config, state, data, fit_index, should_stop, on_epoch, report)) {
    before_.put_back(stream, state);
    report.stopped = true;
    return report;
  }
  restore_snapshots(stream, config, state, data, fit_index, report);

  report.loss_values = loss_values(state);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

// epochs until no member improves; false: a stop was asked for
bool ModelTrainer::train(Stream& stream, const ModelConfig& config, EnsembleState& state,
                         const TransitionsView& data, std::uint64_t fit_index,
                         const std::function<bool()>& should_stop, const OnEpoch& on_epoch,
                         FitReport& report) {
  EnsembleConstants constants = ensemble_constants(config);
  constants.end_weights = end_weights_;
  has_snapshot_.assign(has_snapshot_.size(), false);
  const auto save_snapshot = [&](int e) {
    has_snapshot_[static_cast<std::size_t>(e)] = true;
    copy(stream, snapshot_.data() + e * state.layout.size, state.member(e), state.layout.size);
  };
  EarlyStopping stopping(ensemble_size_, config.min_improvement, config.patience);
  report.holdout_mse.resize(static_cast<std::size_t>(ensemble_size_));
  for (bool done = false; !done;) {
    // every member walks its own bootstrap in a new order
    shuffle_rows(stream, shuffled(), bootstrap(), RandomKey{seed_, purpose::kShuffle, learner_},
                 (fit_index << 24) + static_cast<std::uint64_t>(report.epochs), scratch_);
    const EnsembleEpoch epoch = ensemble_epoch(stream, state, data, shuffled(), batch_size_,
                                               constants, workspace_, should_stop);
    report.train_loss = epoch.loss;
    report.steps += epoch.steps;
    if (epoch.stopped) return false;
    ensemble_holdout_mse(stream, state, data, holdout(), report.holdout_mse, workspace_);
    ++report.epochs;
    if (on_epoch) on_epoch(report.epochs, mean_of(report.holdout_mse));
    done = stopping.update(report.holdout_mse, save_snapshot) ||
           (config.max_epochs > 0 && report.epochs >= config.max_epochs);
  }
  return true;
}

// every member's own best weights, and the elites; what the loss learned and moments stay where
// training left them
void ModelTrainer::restore_snapshots(Stream& stream, const ModelConfig& config,
                                     EnsembleState& state, const TransitionsView& data,
                                     std::uint64_t fit_index, FitReport& report) {
  std::vector<double>& mse = report.holdout_mse;
  // a member without a snapshot has no weights that are worth anything
  for (int e = 0; e < ensemble_size_; ++e)
    if (!has_snapshot_[static_cast<std::size_t>(e)])
      throw DivergedError(fmt::format(
          "model fit {}: none of {} epochs gave member {} a holdout error below {:.3g}; the last "
          "is {:.3g}. Lower model.learning_rate, or look at the real replay: a reward or "
          "observation may be extreme.",
          fit_index + 1, report.epochs, e,
          EarlyStopping::kWorst * (1.0 - static_cast<double>(config.min_improvement)),
          std::abs(mse[static_cast<std::size_t>(e)])));

  copy(stream, state.members.value.data(), snapshot_.data(), snapshot_.size());
  Matrix<float> end_logit;
  if (state.maps.end == EndTarget::kLogit) {
    reserve(stream, end_logit_, static_cast<std::size_t>(ensemble_size_) * num_holdout_);
    end_logit = {end_logit_.data(), ensemble_size_, num_holdout_};
  }
  ensemble_holdout_mse(stream, state, data, holdout(), mse, workspace_, end_logit);
  std::vector<int> order(static_cast<std::size_t>(ensemble_size_));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return mse[a] < mse[b]; });
  order.resize(static_cast<std::size_t>(config.num_elites));
  state.elites = order;
  report.elites = order;
  for (const int e : order) report.validation_loss += mse[e] / config.num_elites;
  if (state.maps.end == EndTarget::kLogit) calibrate_ends(stream, state, data, report);
}

// which of the rows end, on the host
std::vector<float> ModelTrainer::ended(Stream& stream, const TransitionsView& data,
                                       Vector<const std::uint32_t> rows) {
  reserve(stream, ended_, rows.count());
  gather_ended(stream, data, rows, {ended_.data(), rows.size()});
  std::vector<float> values(rows.count());
  copy(stream, values.data(), ended_.data(), values.size());
  stream.synchronize();
  return values;
}

// the threshold of the elites' logits, and what they find with it
void ModelTrainer::calibrate_ends(Stream& stream, EnsembleState& state, const TransitionsView& data,
                                  FitReport& report) {
  const std::vector<float> truth = ended(stream, data, holdout());
  std::vector<float> logits(num_holdout_ * state.elites.size());
  for (std::size_t i = 0; i < state.elites.size(); ++i)
    copy(stream, logits.data() + i * num_holdout_,
         end_logit_.data() + static_cast<std::size_t>(state.elites[i]) * num_holdout_,
         num_holdout_);
  stream.synchronize();

  const auto num_ended = static_cast<std::size_t>(std::count(truth.begin(), truth.end(), 1.0f));
  state.end_threshold = any_ended_ || num_ended > 0
                            ? matching_threshold(logits, num_holdout_, num_ended, end_weights_)
                            : std::numeric_limits<float>::max();
  std::size_t found = 0;
  for (std::size_t i = 0; i < logits.size(); ++i)
    found += truth[i % num_holdout_] == 1.0f && predicts_end(logits[i], state.end_threshold);
  report.ends = {state.end_threshold, static_cast<int>(num_ended),
                 static_cast<double>(found) / static_cast<double>(num_ended * state.elites.size())};
}

}  // namespace mbrl
