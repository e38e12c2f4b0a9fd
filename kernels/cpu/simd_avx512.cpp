// Tile kernels for x86-64-v4 (AVX-512 F, BW, CD, DQ, VL).
#include "kernels/cpu/simd_body.h"

namespace mbrl {

const SimdKernels* simd_avx512() {
  static constexpr SimdKernels kKernels{"avx512",    dense,        dense_backward, update_weights,
                                        update_bias, multiply_add, kLanes};
  return &kKernels;
}

}  // namespace mbrl
