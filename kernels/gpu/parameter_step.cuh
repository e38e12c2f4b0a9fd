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

/// Gradients come as they travelled: scaled_gradient().
template <Precision kPrecision>
struct ParameterStep {
  const NetworkArrays& n;
  AdamStep adam;
  float tau;

  /// Four parameters in a row and what belongs to them, the first at a multiple of four.
  struct Four {
    float4 value, m, v, target;
  };
  __device__ __forceinline__ Four load(std::size_t at) const {
    Four four{load4(n.value + at), load4(n.m + at), load4(n.v + at), {}};
    if (n.target != nullptr) four.target = load4(n.target + at);
    return four;
  }
  /// The step of what load() returned.
  __device__ __forceinline__ void store(std::size_t at, Four four, const float4& gradient,
                                        float decay) const {
    const auto adam_step = [&](float& value, float& m, float& v, float scaled) {
      const float own = unscaled_gradient(scaled, kPrecision);
      adam_update(value, m, v, fma_f(decay, value, own), adam);
    };
    adam_step(four.value.x, four.m.x, four.v.x, gradient.x);
    adam_step(four.value.y, four.m.y, four.v.y, gradient.y);
    adam_step(four.value.z, four.m.z, four.v.z, gradient.z);
    adam_step(four.value.w, four.m.w, four.v.w, gradient.w);
    store4(n.value + at, four.value);
    store4(n.m + at, four.m);
    store4(n.v + at, four.v);
    if constexpr (kHalfWeights<kPrecision>) store_half4(n.half + at, four.value);
    if (n.target == nullptr) return;
    const float4 target = make_float4(
        polyak(four.target.x, four.value.x, tau), polyak(four.target.y, four.value.y, tau),
        polyak(four.target.z, four.value.z, tau), polyak(four.target.w, four.value.w, tau));
    store4(n.target + at, target);
    if constexpr (kHalfWeights<kPrecision>) store_half4(n.half_target + at, target);
  }

  /// The step of one parameter.
  __device__ __forceinline__ void one(std::size_t at, float gradient, float decay) const {
    float value = n.value[at];
    const float own = unscaled_gradient(gradient, kPrecision);
    adam_update(value, n.m[at], n.v[at], fma_f(decay, value, own), adam);
    n.value[at] = value;
    if constexpr (kHalfWeights<kPrecision>) n.half[at] = to_16_bits<kPrecision>(value);
    if (n.target == nullptr) return;
    const float target = polyak(n.target[at], value, tau);
    n.target[at] = target;
    if constexpr (kHalfWeights<kPrecision>) n.half_target[at] = to_16_bits<kPrecision>(target);
  }

 private:
  static __device__ __forceinline__ void store_half4(std::uint16_t* to, const float4& x) {
    const auto pair = [](float low, float high) {
      return kPrecision == Precision::kFp16 ? pack_f16(low, high) : pack_bf16(low, high);
    };
    *reinterpret_cast<uint2*>(to) = {pair(x.x, x.y), pair(x.z, x.w)};
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
