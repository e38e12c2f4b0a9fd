// Sine and cosine of an angle in radians, for both devices: the same floats on each.
#pragma once

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

/// sin and cos of x rad, within 5e-7; NaN where |x| is 4e6 or more, as no fraction of a turn is left
/// to trust.
MBRL_HD void sincos_f(float x, float& sine, float& cosine) {
  const float bounded = absolute(x) < 4e6f ? x : std::bit_cast<float>(0x7fc00000u);
  const RoundedProduct turns = round_product(bounded, 0.159154943091895336f);
  // 2 pi in three parts keeps the rest of the angle exact
  float rest = fma_f(turns.value, -6.28318548202514648f, bounded);
  rest = fma_f(turns.value, 1.74845553146951715e-7f, rest);
  rest = fma_f(turns.value, 6.8604980400235276e-15f, rest);
  sincos_turns(rest * 0.159154943091895336f, sine, cosine);
}
MBRL_HD float sin_f(float x) {
  float sine, cosine;
  sincos_f(x, sine, cosine);
  return sine;
}
MBRL_HD float cos_f(float x) {
  float sine, cosine;
  sincos_f(x, sine, cosine);
  return cosine;
}

}  // namespace mbrl
