// bf16, the upper half of a float: rounding to it, and two of them in a word.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace mbrl {

// Always inlined: these are compiled once per instruction set (base/hd.h).

/// The 16 bits of the bf16 nearest to x, ties to even, in the low half; a NaN stays one.
[[gnu::always_inline]] inline std::uint32_t to_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = bits + 0x7fffu + (bits >> 16 & 1u);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return (is_nan ? bits | 0x00400000u : rounded) >> 16;
}

/// Two bf16 numbers, the first in the low half: what a step of a product of pairs takes from each of
/// its operands.
using Bf16Pair = std::uint32_t;

[[gnu::always_inline]] inline Bf16Pair bf16_pair(float first, float second) {
  return to_bf16(first) | to_bf16(second) << 16;
}

/// The pairs of consecutive ones of 2 * count floats. Written number by number, which compilers turn
/// into narrowing stores; a pair at a time costs them shuffles.
[[gnu::always_inline]] inline void bf16_pairs(const float* x, std::size_t count, Bf16Pair* pairs) {
  using Half [[gnu::may_alias]] = std::uint16_t;
  Half* halves = reinterpret_cast<Half*>(pairs);  // little-endian: the first in the low half
  for (std::size_t i = 0; i < 2 * count; ++i) halves[i] = static_cast<std::uint16_t>(to_bf16(x[i]));
}

}  // namespace mbrl
