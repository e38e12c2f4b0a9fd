#include "kernels/cpu/simd.h"

#include <cstdlib>
#include <string_view>

namespace mbrl {
namespace {

const SimdKernels& choose() {
  const char* asked = std::getenv("MBRL_ISA");
  if (asked != nullptr && std::string_view(asked) == "avx2") return simd_avx2();
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512cd") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has_avx512 ? *simd_avx512() : simd_avx2();
}

}  // namespace

const SimdKernels& simd() {
  static const SimdKernels& kernels = choose();
  return kernels;
}

}  // namespace mbrl
