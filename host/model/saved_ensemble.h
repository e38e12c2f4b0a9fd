// An ensemble as it was: to undo a fit, for evaluations beside the training, and in checkpoints.
#pragma once

#include "cuda/stream.h"
#include "host/io/archive.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {

/// Copies everything of an ensemble that a fit changes, in the order of the stream, to another of its
/// shape in the same memory.
void copy_ensemble(Stream& stream, EnsembleState& to, const EnsembleState& from);

/// An ensemble as it was at one moment, in the stream's memory.
class SavedEnsemble {
 public:
  SavedEnsemble(Stream& stream, const EnsembleState& state) : saved_(state, stream.memory()) {}

  void save(Stream& stream, const EnsembleState& state) { copy_ensemble(stream, saved_, state); }
  void put_back(Stream& stream, EnsembleState& state) const {
    copy_ensemble(stream, state, saved_);
  }
  /// As it was when it was saved last.
  const EnsembleState& state() const { return saved_; }

 private:
  EnsembleState saved_;
};

/// The arrays of an ensemble; its counters are its part's.
void visit_ensemble(Archive& archive, EnsembleState& state);

}  // namespace mbrl
