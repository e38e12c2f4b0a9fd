// Marks a function usable in host and device code.
//
// The attribute forces inlining on the host: headers with formulas are compiled once per
// instruction set (AVX2, AVX-512), and a formula left out of line could be linked from the wrong
// one.
#pragma once

#if defined(__CUDACC__)
#define MBRL_HD __host__ __device__ __forceinline__
#else
#define MBRL_HD [[gnu::always_inline]] inline
#endif
