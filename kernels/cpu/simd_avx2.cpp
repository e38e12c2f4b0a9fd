// Tile kernels for the baseline, x86-64-v3, and bf16 by its instructions.
#include "kernels/cpu/simd_body.h"

namespace mbrl {

const SimdKernels& simd_avx2() {
  static constexpr SimdKernels kKernels = product_kernels<Fp32>("avx2");
  return kKernels;
}

const Bf16Kernels& bf16_portable() {
  static constexpr Bf16Kernels kKernels{product_kernels<PortableBf16>("bf16_portable"),
                                        pair_features, pair_lanes};
  return kKernels;
}

}  // namespace mbrl
