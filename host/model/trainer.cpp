#include "host/model/trainer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "cuda/check.h"
#include "kernels/normalizer.h"

namespace mbrl {
namespace {

void copy(const TrainedParameters& from, TrainedParameters& to) {
  std::copy(from.value.begin(), from.value.end(), to.value.begin());
  std::copy(from.m.begin(), from.m.end(), to.m.begin());
  std::copy(from.v.begin(), from.v.end(), to.v.begin());
}

float mean(const float* values, int count) {
  return std::accumulate(values, values + count, 0.0f) / static_cast<float>(count);
}

}  // namespace

std::string FitReport::summary() const {
  return fmt::format(
      "model fit: {} epochs, {} steps, {} train and {} holdout rows, holdout mse [{:.5f}], elites "
      "[{}], "
      "logvar in [{:.3f}, {:.3f}], loss {:.4f}, {:.1f} s",
      epochs, steps, num_train, num_holdout, fmt::join(holdout_mse, ", "), fmt::join(elites, ", "),
      mean_min_logvar, mean_max_logvar, train_loss, seconds);
}

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

ModelTrainer::ModelTrainer(const ModelConfig& config, const EnsembleState& state,
                           std::uint32_t seed, std::uint32_t learner, int num_threads)
    : config_(config),
      constants_{{config.learning_rate}, config.weight_decay, config.logvar_penalty},
      seed_(seed),
      learner_(learner),
      workspace_(state, config.batch_size, num_threads),
      members_before_(state.members.value.size()),
      bounds_before_(state.logvar_bounds.value.size()),
      snapshot_(state.members.value.size()),
      scratch_(static_cast<std::size_t>(state.ensemble_size)) {}

// random split of all rows, then one bootstrap sample of the training rows per member
void ModelTrainer::split(std::size_t num_rows, std::uint64_t fit_index, Stream& stream) {
  const auto E = static_cast<std::size_t>(config_.ensemble_size);
  const auto share = static_cast<std::size_t>(static_cast<double>(config_.holdout_ratio) *
                                              static_cast<double>(num_rows));
  num_holdout_ = std::clamp<std::size_t>(share, 1, static_cast<std::size_t>(config_.max_holdout));
  num_train_ = num_rows - num_holdout_;
  permutation_.resize(num_rows);
  bootstrap_.resize(E * num_train_);
  shuffled_.resize(E * num_train_);
  random_permutation(stream, {permutation_.data(), num_rows},
                     RandomKey{seed_, Purpose::kHoldout, learner_}, fit_index, 0, scratch_[0]);
  stream.pool().parallel_for(config_.ensemble_size, [&](int e) {
    std::uint32_t* rows = bootstrap_.data() + e * num_train_;
    draw_indices(stream, {rows, num_train_}, static_cast<std::uint32_t>(num_train_),
                 RandomKey{seed_, Purpose::kBootstrap, learner_}, fit_index,
                 static_cast<std::uint32_t>(e));
    for (std::size_t i = 0; i < num_train_; ++i) rows[i] = permutation_[num_holdout_ + rows[i]];
  });
}

void ModelTrainer::remember(const EnsembleState& state) {
  copy(state.members, members_before_);
  copy(state.logvar_bounds, bounds_before_);
  mean_before_.assign(state.input_mean.begin(), state.input_mean.end());
  inv_std_before_.assign(state.input_inv_std.begin(), state.input_inv_std.end());
  steps_before_ = state.num_steps;
}

void ModelTrainer::put_back(EnsembleState& state) const {
  copy(members_before_, state.members);
  copy(bounds_before_, state.logvar_bounds);
  std::copy(mean_before_.begin(), mean_before_.end(), state.input_mean.begin());
  std::copy(inv_std_before_.begin(), inv_std_before_.end(), state.input_inv_std.begin());
  state.num_steps = steps_before_;
}

FitReport ModelTrainer::fit(Stream& stream, EnsembleState& state, const TransitionsView& data,
                            std::uint64_t fit_index, const std::function<bool()>& should_stop) {
  if (data.size < 2)
    throw DataError("model fit: the real replay holds " + std::to_string(data.size) +
                    " transitions; at least 2 are needed. Raise loop.num_exploration_steps.");
  const auto start = std::chrono::steady_clock::now();
  const int E = state.ensemble_size;
  FitReport report;
  remember(state);
  split(data.size, fit_index, stream);
  report.num_train = static_cast<int>(num_train_);
  report.num_holdout = static_cast<int>(num_holdout_);
  const std::span<const std::uint32_t> holdout(permutation_.data(), num_holdout_);
  fit_normalizer(stream, data.records, static_cast<std::size_t>(data.layout.pitch()),
                 {permutation_.data() + num_holdout_, num_train_}, state.num_inputs(),
                 {state.input_mean.data(), state.num_inputs()},
                 {state.input_inv_std.data(), state.num_inputs()}, config_.min_input_std);

  const auto save_snapshot = [&](int e) {
    std::copy_n(state.member(e), state.layout.size, snapshot_.data() + e * state.layout.size);
  };
  EarlyStopping stopping(E, config_.min_improvement, config_.patience);
  std::vector<double> mse(static_cast<std::size_t>(E));
  std::vector<const std::uint32_t*> rows(static_cast<std::size_t>(E));
  const int batch_size = config_.batch_size;

  for (bool done = false; !done;) {
    // every member walks its own bootstrap in a new order
    stream.pool().parallel_for(E, [&](int e) {
      shuffle_into(stream, {shuffled_.data() + e * num_train_, num_train_},
                   {bootstrap_.data() + e * num_train_, num_train_},
                   RandomKey{seed_, Purpose::kShuffle, learner_},
                   (fit_index << 24) + static_cast<std::uint64_t>(report.epochs),
                   static_cast<std::uint32_t>(e), scratch_[static_cast<std::size_t>(e)]);
    });
    for (std::size_t begin = 0; begin < num_train_; begin += static_cast<std::size_t>(batch_size)) {
      if (should_stop()) {
        put_back(state);
        report.stopped = true;
        return report;
      }
      for (int e = 0; e < E; ++e) rows[e] = shuffled_.data() + e * num_train_ + begin;
      const int count = static_cast<int>(std::min<std::size_t>(batch_size, num_train_ - begin));
      report.train_loss = ensemble_step(stream, state, data, rows, count, constants_, workspace_);
      ++report.steps;
    }
    ensemble_holdout_mse(stream, state, data, holdout, mse, workspace_);
    ++report.epochs;
    done = stopping.update(mse, save_snapshot) ||
           (config_.max_epochs > 0 && report.epochs >= config_.max_epochs);
  }

  // every member's own best weights; bounds and moments stay where training left them
  std::copy(snapshot_.begin(), snapshot_.end(), state.members.value.begin());
  ensemble_holdout_mse(stream, state, data, holdout, mse, workspace_);
  std::vector<int> order(static_cast<std::size_t>(E));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return mse[a] < mse[b]; });
  order.resize(static_cast<std::size_t>(config_.num_elites));
  state.elites = order;

  report.holdout_mse = mse;
  report.elites = order;
  for (const int e : order) report.validation_loss += mse[e] / config_.num_elites;
  report.mean_max_logvar = mean(state.max_logvar(), state.num_outputs());
  report.mean_min_logvar = mean(state.min_logvar(), state.num_outputs());
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace mbrl
