// A SAC update on the GPU layer by layer: products by a chosen provider, our kernels between.
#pragma once

#include <memory>

#include "cuda/stream.h"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl::gpu {

struct SacArrays;
struct SacRule;

/// Activations and gradients of the path; about 45 products and 20 small kernels per update.
class SacLayers {
 public:
  SacLayers(const SacState& state, int batch_size, const Gemm& gemm);
  ~SacLayers();

  /// One update, from the gathered batch to the losses.
  void issue(Stream& stream, const SacArrays& arrays, const SacRule& rule, int update,
             bool simultaneous, SacLosses* losses);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace mbrl::gpu
