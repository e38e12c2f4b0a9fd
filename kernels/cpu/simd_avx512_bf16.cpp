// Tile kernels in bf16 for x86-64-v4 with AVX512-BF16.
#include "kernels/cpu/simd_body.h"

namespace mbrl {

const Bf16Kernels& bf16_avx512() {
  static constexpr Bf16Kernels kKernels{product_kernels<Avx512Bf16>("avx512_bf16"), pair_features,
                                        pair_lanes};
  return kKernels;
}

}  // namespace mbrl
