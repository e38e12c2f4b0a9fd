// Which instruction sets the CPU's kernels use: the best that the CPU has, or what MBRL_ISA names.
#pragma once

namespace mbrl {

struct CpuIsa {
  bool avx512 = false;  // else the baseline, AVX2
  // how products in bf16 are computed. kPortable is slower than fp32: for tests and comparison
  enum class Bf16 { kNone, kPortable, kAvx512 } bf16 = Bf16::kNone;
};

/// What the CPU has, whatever MBRL_ISA says.
bool cpu_has_avx512();       // F, BW, CD, DQ, VL
bool cpu_has_avx512_bf16();  // and BF16

/// Chosen at the first call. The environment variable MBRL_ISA may name avx2, avx512 or
/// bf16_portable: bf16 without its instructions, the rest as the CPU has it.
///
/// Errors   ConfigError if it names what is not known or not there.
const CpuIsa& cpu_isa();

/// The choice that a value of MBRL_ISA stands for.
CpuIsa choose_cpu_isa(const char* asked);

}  // namespace mbrl
