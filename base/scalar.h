// Scalar functions shared by both devices: branch-free polynomials with every rounding written out.
//
// Written so that compilers turn loops over them into vector code, and so that CPU and GPU give the
// same floats (explicit fma, no contraction, IEEE division and square root). NaN goes through.
// Errors (tests/base/scalar_test.cpp): exp, log, tanh, softplus, sine and cosine within 2 ulp,
// sigmoid and swish within 3, the gradient of swish within 4 ulp of its larger term. Polynomials:
// S. Moshier, Cephes, single precision.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "base/hd.h"

namespace mbrl {

// fmaf, sqrtf and fabsf round correctly on every device; the host's builtins need no <cmath> call
#if defined(__CUDA_ARCH__)
MBRL_HD float fma_f(float a, float b, float c) { return __fmaf_rn(a, b, c); }
MBRL_HD float square_root(float x) { return __fsqrt_rn(x); }
MBRL_HD double square_root_double(double x) { return __dsqrt_rn(x); }
MBRL_HD float absolute(float x) { return fabsf(x); }
MBRL_HD float copy_sign(float x, float sign) { return copysignf(x, sign); }
#else
MBRL_HD float fma_f(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
MBRL_HD float square_root(float x) { return __builtin_sqrtf(x); }
MBRL_HD double square_root_double(double x) { return __builtin_sqrt(x); }
MBRL_HD float absolute(float x) { return __builtin_fabsf(x); }
MBRL_HD float copy_sign(float x, float sign) { return __builtin_copysignf(x, sign); }
#endif
// written as a comparison so that a NaN in `x` stays
MBRL_HD float clamp_f(float x, float low, float high) {
  const float above = x < low ? low : x;
  return above > high ? high : above;
}
// a NaN in either argument stays, unlike in fmin and fmax; free where `a` is a constant
MBRL_HD float min_f(float a, float b) { return a < b || a != a ? a : b; }
MBRL_HD float max_f(float a, float b) { return a > b || a != a ? a : b; }

/// The integer nearest to a b, ties to even, for |a b| < 2^22; the low bits of `bits` hold it too.
struct RoundedProduct {
  float value;
  std::uint32_t bits;
};
MBRL_HD RoundedProduct round_product(float a, float b) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: the sum has no fraction bits left
  const float shifted = fma_f(a, b, magic);
  return {shifted - magic, std::bit_cast<std::uint32_t>(shifted)};
}

/// e^x, saturating at e^-87 and e^87: its reciprocal is neither infinite nor denormal either.
MBRL_HD float exp_f(float x) {
  const float bounded = clamp_f(x, -87.0f, 87.0f);
  const RoundedProduct n = round_product(bounded, 1.44269504088896341f);
  // ln 2 in two parts keeps the reduced argument exact
  float r = fma_f(n.value, -0.693359375f, bounded);
  r = fma_f(n.value, 2.12194440e-4f, r);
  float p = 1.9875691500e-4f;
  p = fma_f(p, r, 1.3981999507e-3f);
  p = fma_f(p, r, 8.3334519073e-3f);
  p = fma_f(p, r, 4.1665795894e-2f);
  p = fma_f(p, r, 1.6666665459e-1f);
  p = fma_f(p, r, 5.0000001201e-1f);
  const float e = fma_f(p, r * r, r) + 1.0f;
  // 2^n: n moves into the exponent
  const std::uint32_t exponent = (n.bits + 127u) << 23;
  return e * std::bit_cast<float>(exponent);
}

/// ln x for normal positive x; infinity gives NaN.
MBRL_HD float log_positive(float x) {
  // x = m 2^e with m in [sqrt(1/2), sqrt(2))
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t offset = bits - 0x3f3504f3u;
  const float e = static_cast<float>(static_cast<std::int32_t>(offset) >> 23);
  const float m = std::bit_cast<float>((offset & 0x007fffffu) + 0x3f3504f3u);
  const float f = m - 1.0f;
  const float z = f * f;
  float p = 7.0376836292e-2f;
  p = fma_f(p, f, -1.1514610310e-1f);
  p = fma_f(p, f, 1.1676998740e-1f);
  p = fma_f(p, f, -1.2420140846e-1f);
  p = fma_f(p, f, 1.4249322787e-1f);
  p = fma_f(p, f, -1.6668057665e-1f);
  p = fma_f(p, f, 2.0000714765e-1f);
  p = fma_f(p, f, -2.4999993993e-1f);
  p = fma_f(p, f, 3.3333331174e-1f);
  float y = p * f * z;
  y = fma_f(e, -2.12194440e-4f, y);
  y = fma_f(z, -0.5f, y);
  const float sum = f + y;
  return fma_f(e, 0.693359375f, sum) + (x - x);  // x - x carries a NaN through
}

MBRL_HD float sigmoid_f(float x) { return 1.0f / (1.0f + exp_f(-x)); }

/// sigmoid(x) and 1 - sigmoid(x), which a subtraction would cancel away for large x.
struct SigmoidPair {
  float value, complement;
};
MBRL_HD SigmoidPair sigmoid_pair_f(float x) {
  const float t = exp_f(-x);
  const float s = 1.0f / (1.0f + t);
  return {s, t * s};
}

MBRL_HD float tanh_f(float x) {
  const float a = absolute(x);
  const float z = x * x;
  float p = -5.70498872745e-3f;
  p = fma_f(p, z, 2.06390887954e-2f);
  p = fma_f(p, z, -5.37397155531e-2f);
  p = fma_f(p, z, 1.33314422036e-1f);
  p = fma_f(p, z, -3.33332819422e-1f);
  const float near_zero = fma_f(p * z, x, x);
  const float far = 1.0f - 2.0f / (exp_f(2.0f * a) + 1.0f);
  const float signed_far = copy_sign(far, x);
  return a < 0.625f ? near_zero : signed_far;
}

/// ln(1 + e^x) without overflow or cancellation.
MBRL_HD float softplus_f(float x) {
  const float t = exp_f(-absolute(x));
  const float u = 1.0f + t;
  // u lost the low bits of t; the quotient puts them back
  const float log1p = log_positive(u) + (t - (u - 1.0f)) / u;
  return max_f(0.0f, x) + log1p;
}

/// sin and cos of 2 pi u, for u in [0, 1].
MBRL_HD void sincos_turns(float u, float& sine, float& cosine) {
  const RoundedProduct quarter = round_product(u, 4.0f);
  const std::uint32_t quadrant = quarter.bits & 3u;
  const float t = fma_f(quarter.value, -0.25f, u) * 6.28318530717958648f;  // |t| <= pi / 4
  const float z = t * t;
  float s = -1.9515295891e-4f;
  s = fma_f(s, z, 8.3321608736e-3f);
  s = fma_f(s, z, -1.6666654611e-1f);
  s = fma_f(s * z, t, t);
  float c = 2.443315711809948e-5f;
  c = fma_f(c, z, -1.388731625493765e-3f);
  c = fma_f(c, z, 4.166664568298827e-2f);
  c = fma_f(c, z * z, fma_f(z, -0.5f, 1.0f));
  const bool swap = (quadrant & 1u) != 0;
  const float first = swap ? c : s;
  const float second = swap ? s : c;
  sine = (quadrant & 2u) != 0 ? -first : first;
  cosine = ((quadrant + 1u) & 2u) != 0 ? -second : second;
}

/// x sigmoid(x): the swish (SiLU) activation of the dynamics model.
MBRL_HD float swish_f(float x) { return x * sigmoid_f(x); }

/// Derivative of swish.
MBRL_HD float swish_gradient_f(float x) {
  const SigmoidPair s = sigmoid_pair_f(x);
  return fma_f(x * s.value, s.complement, s.value);
}

}  // namespace mbrl
