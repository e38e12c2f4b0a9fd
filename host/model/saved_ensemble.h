// An ensemble as it was: to undo a fit, and in checkpoints.
#pragma once

#include <cstdint>

#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "host/io/archive.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {

/// A copy of everything of an ensemble that a fit changes, in the stream's memory.
class SavedEnsemble {
 public:
  SavedEnsemble(Stream& stream, const EnsembleState& state);

  void save(Stream& stream, const EnsembleState& state);
  void put_back(Stream& stream, EnsembleState& state) const;

 private:
  TrainedParameters members_, bounds_;
  Buffer<float> mean_, inv_std_;
  std::int64_t steps_ = 0;
};

/// The arrays of an ensemble; its counters are its part's.
void visit_ensemble(Archive& archive, EnsembleState& state);

}  // namespace mbrl
