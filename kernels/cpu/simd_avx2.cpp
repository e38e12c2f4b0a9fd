// Tile kernels for the baseline, x86-64-v3.
#include "kernels/cpu/simd_body.h"

namespace mbrl {

const SimdKernels& simd_avx2() {
  static constexpr SimdKernels kKernels{"avx2",      dense,        dense_backward, update_weights,
                                        update_bias, multiply_add, kLanes};
  return kKernels;
}

}  // namespace mbrl
