#include "cuda/cpu_isa.h"

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/printable.h"

namespace mbrl {

bool cpu_has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

bool cpu_has_avx512_bf16() { return cpu_has_avx512() && __builtin_cpu_supports("avx512bf16"); }

CpuIsa choose_cpu_isa(const char* variable) {
  const std::string asked = variable == nullptr ? "" : variable;
  CpuIsa best;
  best.avx512 = cpu_has_avx512();
  best.bf16 = cpu_has_avx512_bf16() ? CpuIsa::Bf16::kAvx512 : CpuIsa::Bf16::kNone;
  if (asked.empty()) return best;
  if (asked == "avx2") return {};
  if (asked == "bf16_portable") return {best.avx512, CpuIsa::Bf16::kPortable};
  if (asked != "avx512")
    throw ConfigError("MBRL_ISA is \"" + printable(asked) +
                      "\"; expected avx2, avx512, bf16_portable, or no such variable for the best "
                      "that there is.");
  if (!best.avx512)
    throw ConfigError(
        "MBRL_ISA asks for avx512, which this CPU does not have. Leave the variable out.");
  return best;
}

const CpuIsa& cpu_isa() {
  static const CpuIsa isa = choose_cpu_isa(std::getenv("MBRL_ISA"));
  return isa;
}

}  // namespace mbrl
