// What happens to one parameter once its gradient is known: decay, Adam, target averaging, and the
// 16-bit copies that the kernels of kPrecision read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/formulas/adam.h"
#include "kernels/formulas/polyak.h"
#include "kernels/gpu/block_mlp.cuh"
#include "kernels/gpu/linear.cuh"

namespace mbrl::gpu {

template <Precision kPrecision>
struct ParameterStep {
  const NetworkArrays& n;
  AdamStep adam;
  float tau;

  __device__ __forceinline__ void operator()(std::size_t at, float gradient, float decay) const {
    float value = n.value[at], m = n.m[at], v = n.v[at];
    adam_update(value, m, v, fma_f(decay, value, gradient), adam);
    n.value[at] = value;
    n.m[at] = m;
    n.v[at] = v;
    if constexpr (kHalfWeights<kPrecision>) n.half[at] = to_16_bits<kPrecision>(value);
    if (n.target == nullptr) return;
    const float target = polyak(n.target[at], value, tau);
    n.target[at] = target;
    if constexpr (kHalfWeights<kPrecision>) n.half_target[at] = to_16_bits<kPrecision>(target);
  }
};

/// An array and where its 16-bit copy goes.
struct HalfCopy {
  const float* from;
  std::uint16_t* to;
  std::size_t count;
};

template <Precision kPrecision, int kArrays>
struct HalfCopies {
  HalfCopy copy[kArrays];
  std::size_t longest;
  __device__ void operator()(std::size_t i) const {
    const HalfCopy& c = copy[i / longest];
    const std::size_t at = i % longest;
    if (at < c.count) c.to[at] = to_16_bits<kPrecision>(c.from[at]);
  }
};

/// Makes the 16-bit copies anew in one launch, where kPrecision has any: at the start of every
/// call, because anything may have changed the parameters since the last.
template <Precision kPrecision, int kArrays>
void launch_half_copies(Stream& stream, const HalfCopy (&copies)[kArrays]) {
  if constexpr (kHalfWeights<kPrecision>) {
    HalfCopies<kPrecision, kArrays> body{{}, 0};
    for (int i = 0; i < kArrays; ++i) {
      body.copy[i] = copies[i];
      body.longest = std::max(body.longest, copies[i].count);
    }
    launch_linear(stream, "half_copies", body.longest * kArrays, body);
  }
}

/// Memory for `count` 16-bit copies on a stream that wants them, else none.
inline Buffer<std::uint16_t> half_buffer(const Stream& stream, std::size_t count,
                                         const char* name) {
  const bool has_half =
      stream.precision() == Precision::kFp16 || stream.precision() == Precision::kBf16;
  return Buffer<std::uint16_t>(has_half ? count : 0, Memory::kDevice, name);
}

}  // namespace mbrl::gpu
