#include "kernels/cpu/simd.h"

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/printable.h"

namespace mbrl {
namespace {

bool has_avx512() {
  return simd_avx512() != nullptr && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

const SimdKernels& choose() {
  const char* variable = std::getenv("MBRL_ISA");
  const std::string asked = variable == nullptr ? "" : variable;
  if (asked == "avx2") return simd_avx2();
  if (asked.empty()) return has_avx512() ? *simd_avx512() : simd_avx2();
  if (asked != "avx512")
    throw ConfigError("MBRL_ISA is \"" + printable(asked) +
                      "\"; expected avx2, avx512, or no such variable for the best that there is.");
  if (!has_avx512())
    throw ConfigError(
        "MBRL_ISA asks for avx512, which this CPU does not have. Leave the variable out.");
  return *simd_avx512();
}

}  // namespace

const SimdKernels& simd() {
  static const SimdKernels& kernels = choose();
  return kernels;
}

}  // namespace mbrl
