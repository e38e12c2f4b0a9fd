// Fits the ensemble as PETS does: a few epochs on a bootstrap of all rows, without a holdout.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "host/config/config.h"
#include "host/model/fit_report.h"
#include "host/model/saved_ensemble.h"
#include "kernels/data/permutation.h"
#include "kernels/stages/ensemble/ensemble_step.h"

namespace mbrl {

/// Whether a model may learn from a record: none of its targets is beyond `max_target` on either
/// side, or not a number.
bool is_learnable(const ModelMaps& maps, const TransitionLayout& layout, const float* record,
                  float max_target);

/// Fits one ensemble again and again; holds what a fit needs besides it.
class BootstrapTrainer {
 public:
  using OnEpoch = std::function<void(int epochs)>;

  /// Takes the batch size from `config`, once; the rest is read by each fit.
  BootstrapTrainer(Stream& stream, const ModelConfig& config, const EnsembleState& state,
                   std::uint32_t seed, std::uint32_t learner, const Gemm& gemm = {});

  /// model.epochs epochs on all of `data`. Weights, log-variance bounds and Adam's moments go on
  /// from the last fit. The scaler is that of all rows, drawn or not. Every member draws as many
  /// rows as there are, with replacement, anew in each fit; it walks them in the order of the draw,
  /// and in an order of its own in each later epoch. Step size, decay and epochs are those that
  /// `config` has now.
  ///
  /// fit_index numbers the fits of a run: it is part of every random draw. should_stop() is asked
  /// before each gradient step; once it says yes the ensemble is put back as it was, so that a
  /// resumed run repeats the fit. on_epoch(number) hears of every epoch.
  ///
  /// Errors   DivergedError if the loss is not finite; DataError if there are no rows.
  /// Cost     epochs x ceil(rows / batch) gradient steps. Memory for 2 E indices of each row, which
  ///          grows by half at a time.
  /// Source   kchua/handful-of-trials:dmbrl/modeling/models/BNN.py.
  FitReport fit(Stream& stream, const ModelConfig& config, EnsembleState& state,
                const TransitionsView& data, std::uint64_t fit_index,
                const std::function<bool()>& should_stop, const OnEpoch& on_epoch = {});

 private:
  void reserve(Stream& stream, std::size_t num_rows);
  bool train(Stream& stream, const ModelConfig& config, EnsembleState& state,
             const TransitionsView& data, std::uint64_t fit_index,
             const std::function<bool()>& should_stop, const OnEpoch& on_epoch, FitReport& report);

  int ensemble_size_, batch_size_;
  std::uint32_t seed_, learner_;
  EnsembleWorkspace workspace_;
  SavedEnsemble before_;
  Buffer<std::uint32_t> all_;                   // 0, 1, 2, ...
  Buffer<std::uint32_t> rows_[2];               // [E, rows] each: of an epoch, and of the next one
  std::vector<PermutationScratch> scratch_{1};  // per member
  Buffer<double> normalizer_scratch_;
};

}  // namespace mbrl
