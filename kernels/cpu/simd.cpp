#include "kernels/cpu/simd.h"

#include "cuda/cpu_isa.h"

namespace mbrl {

const SimdKernels& simd() {
  static const SimdKernels& kernels = cpu_isa().avx512 ? simd_avx512() : simd_avx2();
  return kernels;
}

const Bf16Kernels& bf16_kernels() {
  static const Bf16Kernels& kernels =
      cpu_isa().bf16 == CpuIsa::Bf16::kAvx512 ? bf16_avx512() : bf16_portable();
  return kernels;
}

}  // namespace mbrl
