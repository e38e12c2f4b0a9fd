// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3").
//
// A draw is a pure function of logical coordinates (seed, purpose, learner, step, row, lane), never
// of launch geometry, thread or device, so the CPU and every GPU draw the same bits, and a resumed
// run draws what the uninterrupted one would have drawn.
#pragma once

#include <cstdint>

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

/// What a draw is for. Each value is defined in namespace purpose beside the code that draws, and is
/// used once: values are part of the checkpoint format, so that none is ever given again.
enum class Purpose : std::uint32_t {};

struct Philox4 {
  std::uint32_t x, y, z, w;
};

/// Ten rounds of Philox on a 128-bit counter with a 64-bit key.
MBRL_HD Philox4 philox(Philox4 c, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(0xD2511F53u) * c.x;
    const std::uint64_t p1 = static_cast<std::uint64_t>(0xCD9E8D57u) * c.z;
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c.y ^ key0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c.w ^ key1, static_cast<std::uint32_t>(p0)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c;
}

/// A family of draws: one purpose of one learner of one run.
struct RandomKey {
  std::uint32_t seed = 0;
  Purpose purpose{};
  std::uint32_t learner = 0;  // below 2^24

  /// Four words for (step, row); `lane` (below 256) numbers further blocks of four.
  MBRL_HD Philox4 bits(std::uint64_t step, std::uint32_t row, std::uint32_t lane = 0) const {
    return philox({row, lane | (learner << 8), static_cast<std::uint32_t>(step),
                   static_cast<std::uint32_t>(step >> 32)},
                  seed, static_cast<std::uint32_t>(purpose));
  }
  bool operator==(const RandomKey&) const = default;
};

/// Uniform in [0, 1) with 24 bits, exact.
MBRL_HD float uniform01(std::uint32_t bits) {
  return static_cast<float>(static_cast<std::int32_t>(bits >> 8)) * 0x1p-24f;
}

/// Uniform in [0, n) by multiply-high (bias below n / 2^32).
MBRL_HD std::uint32_t uniform_index(std::uint32_t bits, std::uint32_t n) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(bits) * n) >> 32);
}

/// Two standard normals from two words: Box and Muller 1958 on the polynomials of scalar.h, with
/// every rounding written out, so that all devices produce the same floats.
MBRL_HD void normal_pair(std::uint32_t bits0, std::uint32_t bits1, float& n0, float& n1) {
  // 1 - u lies in (0, 1], so the logarithm is finite
  const float radius = square_root(-2.0f * log_positive(1.0f - uniform01(bits0)));
  float sine, cosine;
  sincos_turns(uniform01(bits1), sine, cosine);
  n0 = radius * cosine;
  n1 = radius * sine;
}

/// Standard normal number `i` of (step, row): the (i mod 4)-th of block i / 4.
MBRL_HD float normal(const RandomKey& key, std::uint64_t step, std::uint32_t row, int i) {
  const Philox4 b = key.bits(step, row, static_cast<std::uint32_t>(i) / 4);
  float n0, n1;
  if ((i & 2) == 0) {
    normal_pair(b.x, b.y, n0, n1);
  } else {
    normal_pair(b.z, b.w, n0, n1);
  }
  return (i & 1) == 0 ? n0 : n1;
}

}  // namespace mbrl
