#include "host/model/bootstrap_trainer.h"

#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "kernels/networks/normalizer.h"

namespace mbrl {

bool is_learnable(const ModelMaps& maps, const TransitionLayout& layout, const float* record,
                  float max_target) {
  for (int i = 0; i < maps.num_targets(layout.observation_size); ++i)
    if (!(std::abs(maps.target(record, layout, i)) <= max_target)) return false;
  return true;
}

BootstrapTrainer::BootstrapTrainer(Stream& stream, const ModelConfig& config,
                                   const EnsembleState& state, std::uint32_t seed,
                                   std::uint32_t learner, const Gemm& gemm)
    : ensemble_size_(state.ensemble_size),
      batch_size_(config.batch_size),
      seed_(seed),
      learner_(learner),
      workspace_(stream, state, config.batch_size, gemm),
      before_(stream, state) {}

// memory for at least so many rows, half as many again, so that it seldom grows
void BootstrapTrainer::reserve(Stream& stream, std::size_t num_rows) {
  if (all_.size() >= num_rows) return;
  const std::size_t size = num_rows + num_rows / 2;
  std::vector<std::uint32_t> numbers(size);
  std::iota(numbers.begin(), numbers.end(), 0u);
  all_ = Buffer<std::uint32_t>(size, stream.memory(), "training rows of the model");
  from_host(all_, numbers);
  for (Buffer<std::uint32_t>& rows : rows_)
    rows = Buffer<std::uint32_t>(static_cast<std::size_t>(ensemble_size_) * size, stream.memory(),
                                 "training rows of the model");
}

FitReport BootstrapTrainer::fit(Stream& stream, const ModelConfig& config, EnsembleState& state,
                                const TransitionsView& data, std::uint64_t fit_index,
                                const std::function<bool()>& should_stop, const OnEpoch& on_epoch) {
  if (data.size == 0)
    throw DataError(
        "model fit: the real replay is empty: every transition so far was unstable, or had a "
        "target beyond model.max_target. Raise loop.num_exploration_steps or model.max_target.");
  const auto start = std::chrono::steady_clock::now();
  FitReport report;
  report.num_train = static_cast<int>(data.size);
  report.validation_loss = std::nan("");
  before_.save(stream, state);
  reserve(stream, data.size);
  fit_normalizer(stream, data, state.maps, {all_.data(), data.size},
                 {state.input_mean.data(), state.num_inputs()},
                 {state.input_inv_std.data(), state.num_inputs()}, config.min_input_std,
                 normalizer_scratch_);
  if (!train(stream, config, state, data, fit_index, should_stop, on_epoch, report)) {
    before_.put_back(stream, state);
    report.stopped = true;
    return report;
  }
  report.loss_values = loss_values(state);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

// false: a stop was asked for
bool BootstrapTrainer::train(Stream& stream, const ModelConfig& config, EnsembleState& state,
                             const TransitionsView& data, std::uint64_t fit_index,
                             const std::function<bool()>& should_stop, const OnEpoch& on_epoch,
                             FitReport& report) {
  const EnsembleConstants constants = ensemble_constants(config);
  const auto rows = [&](int which) {
    return Matrix<std::uint32_t>(rows_[which].data(), ensemble_size_, static_cast<int>(data.size));
  };
  draw_rows(stream, rows(0), {all_.data(), data.size},
            RandomKey{seed_, purpose::kBootstrap, learner_}, fit_index);
  for (int now = 0; report.epochs < config.epochs; now = 1 - now) {
    const EnsembleEpoch epoch = ensemble_epoch(stream, state, data, rows(now), batch_size_,
                                               constants, workspace_, should_stop);
    report.train_loss = epoch.loss;
    report.steps += epoch.steps;
    if (epoch.stopped) return false;
    ++report.epochs;
    if (on_epoch) on_epoch(report.epochs);
    if (report.epochs < config.epochs)
      shuffle_rows(stream, rows(1 - now), rows(now), RandomKey{seed_, purpose::kShuffle, learner_},
                   (fit_index << 24) + static_cast<std::uint64_t>(report.epochs), scratch_);
  }
  return true;
}

}  // namespace mbrl
