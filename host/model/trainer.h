// Fits the ensemble to the real replay: holdout, bootstrap, early stopping, elites.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "host/config/config.h"
#include "host/model/fit_report.h"
#include "host/model/saved_ensemble.h"
#include "kernels/data/permutation.h"
#include "kernels/stages/ensemble/ensemble_step.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kHoldout{10};  // the split into training and holdout rows
}  // namespace purpose

/// Decides, member by member, which epoch to keep and when to stop.
///
/// A member improves when its holdout error falls by more than `min_improvement` of the best
/// *saved* one. The fit stops after more than `patience` epochs in a row in which no member
/// improved.
class EarlyStopping {
 public:
  /// What the first error of a member is measured against, as in the reference; one that is NaN is
  /// no improvement.
  static constexpr double kWorst = 1e10;

  EarlyStopping(int num_members, float min_improvement, int patience)
      : best_(num_members, kWorst), min_improvement_(min_improvement), patience_(patience) {}

  /// Takes the errors of an epoch; save(member) is called for each that improved. True: stop.
  bool update(const std::vector<double>& mse, const std::function<void(int)>& save);

 private:
  std::vector<double> best_;
  float min_improvement_;
  int patience_;
  int idle_epochs_ = 0;
};

/// Fits one ensemble again and again; holds what a fit needs besides it.
class ModelTrainer {
 public:
  using OnEpoch = std::function<void(int epochs, double holdout_error)>;

  /// Takes the batch size from `config`, once; the rest is read by each fit.
  ModelTrainer(Stream& stream, const ModelConfig& config, const EnsembleState& state,
               std::uint32_t seed, std::uint32_t learner, const Gemm& gemm = {});

  /// One fit on all of `data`. Weights, log-variance bounds and Adam's moments go on from the last
  /// fit; scaler, holdout split, bootstrap, snapshots and patience start anew. Step size, decay,
  /// penalty, patience and holdout are those that `config` has now.
  ///
  /// fit_index numbers the fits of a run: it is part of every random draw. should_stop() is asked
  /// before each gradient step; once it says yes the ensemble is put back as it was, so that a
  /// resumed run repeats the fit. on_epoch(number, error) hears of every epoch: how many there have
  /// been, and the holdout error, a mean over the members.
  ///
  /// A model that learns ends weights its training rows so that both kinds count alike, and takes
  /// the threshold above which as many holdout rows are predicted to end as do: host/model/end_rule.h.
  /// Where no row of `data` ends, nothing is predicted to.
  ///
  /// Errors   DivergedError if the loss is not finite, or naming a member that no epoch improved;
  ///          DataError if there are fewer than 2 rows.
  /// Source   jannerm/mbpo:mbpo/models/bnn.py.
  FitReport fit(Stream& stream, const ModelConfig& config, EnsembleState& state,
                const TransitionsView& data, std::uint64_t fit_index,
                const std::function<bool()>& should_stop, const OnEpoch& on_epoch = {});

 private:
  void split(Stream& stream, const ModelConfig& config, std::size_t num_rows,
             std::uint64_t fit_index);
  bool train(Stream& stream, const ModelConfig& config, EnsembleState& state,
             const TransitionsView& data, std::uint64_t fit_index,
             const std::function<bool()>& should_stop, const OnEpoch& on_epoch, FitReport& report);
  void restore_snapshots(Stream& stream, const ModelConfig& config, EnsembleState& state,
                         const TransitionsView& data, std::uint64_t fit_index, FitReport& report);
  std::vector<float> ended(Stream& stream, const TransitionsView& data,
                           Vector<const std::uint32_t> rows);
  void calibrate_ends(Stream& stream, EnsembleState& state, const TransitionsView& data,
                      FitReport& report);
  Vector<const std::uint32_t> holdout() const { return {permutation_.data(), num_holdout_}; }
  Vector<const std::uint32_t> training() const {
    return {permutation_.data() + num_holdout_, num_train_};
  }
  Matrix<std::uint32_t> bootstrap() {
    return {bootstrap_.data(), ensemble_size_, static_cast<int>(num_train_)};
  }
  Matrix<std::uint32_t> shuffled() {
    return {shuffled_.data(), ensemble_size_, static_cast<int>(num_train_)};
  }

  int ensemble_size_, batch_size_;
  std::uint32_t seed_, learner_;
  EnsembleWorkspace workspace_;
  SavedEnsemble before_;
  Buffer<float> snapshot_;                      // [E, layout.size]
  std::vector<bool> has_snapshot_;              // per member, of the running fit
  Buffer<std::uint32_t> permutation_;           // holdout rows, then training rows
  Buffer<std::uint32_t> bootstrap_, shuffled_;  // [E, num_train]
  std::vector<PermutationScratch> scratch_{1};  // per member
  Buffer<double> normalizer_scratch_;
  Buffer<float> ended_;      // of rows
  Buffer<float> end_logit_;  // [E, num_holdout], of a model that has them
  EndWeights end_weights_;   // of the running fit
  bool any_ended_ = false;   // of its training rows
  std::size_t num_holdout_ = 0, num_train_ = 0;
};

}  // namespace mbrl
