// An ensemble step on the GPU layer by layer: products of all members by a chosen provider, our
// kernels between.
#pragma once

#include <memory>

#include "cuda/stream.h"
#include "kernels/stages/ensemble/ensemble_step.h"

namespace mbrl::gpu {

struct EnsembleArrays;

/// Activations and gradients of the path; 14 products and 9 small kernels per step with four hidden
/// layers.
class EnsembleLayers {
 public:
  EnsembleLayers(const EnsembleState& state, int batch_size, const Gemm& gemm);
  ~EnsembleLayers();

  /// One step; past the end of the epoch its arithmetic is done for nothing. decay: per layer.
  template <typename Loss>
  void issue(Stream& stream, const EnsembleArrays& arrays, const float* decay, int step_in_graph,
             float* losses);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace mbrl::gpu
