// What happens to one parameter once its gradient is known: decay, Adam, target averaging, and the
// rounded copies that the products of kPrecision read.
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
    if constexpr (kRounds) store_operands<kPrecision>(rounded(n.rounded, at), four.value);
    if (n.target == nullptr) return;
    const float4 target = make_float4(
        polyak(four.target.x, four.value.x, tau), polyak(four.target.y, four.value.y, tau),
        polyak(four.target.z, four.value.z, tau), polyak(four.target.w, four.value.w, tau));
    store4(n.target + at, target);
    if constexpr (kRounds) store_operands<kPrecision>(rounded(n.rounded_target, at), target);
  }

  /// The step of one bias, which no product reads.
  __device__ __forceinline__ void one(std::size_t at, float gradient, float decay) const {
    float value = n.value[at];
    const float own = unscaled_gradient(gradient, kPrecision);
    adam_update(value, n.m[at], n.v[at], fma_f(decay, value, own), adam);
    n.value[at] = value;
    if (n.target == nullptr) return;
    const float target = polyak(n.target[at], value, tau);
    n.target[at] = target;
  }

 private:
  static constexpr bool kRounds = kPrecision != Precision::kFp32;
  static __device__ __forceinline__ OperandOf<kPrecision>* rounded(void* copy, std::size_t at) {
    return static_cast<OperandOf<kPrecision>*>(copy) + at;
  }
};

/// An array, its length, a multiple of four, and where its rounded copy goes.
struct RoundedCopy {
  const float* from;
  void* to;
  std::size_t count;
};

template <Precision kPrecision, int kArrays>
struct RoundedCopies {
  RoundedCopy copy[kArrays];
  std::size_t longest;

  explicit RoundedCopies(const RoundedCopy (&copies)[kArrays]) : copy{}, longest(0) {
    for (int i = 0; i < kArrays; ++i) {
      copy[i] = copies[i];
      longest = std::max(longest, copies[i].count / 4);
    }
  }
  /// Threads that it takes.
  MBRL_HD std::size_t count() const {
    return kPrecision == Precision::kFp32 ? 0 : longest * kArrays;
  }
  /// Thread i: four values.
  __device__ void operator()(std::size_t i) const {
    const RoundedCopy& c = copy[i / longest];
    const std::size_t at = i % longest * 4;
    if (at < c.count)
      store_operands<kPrecision>(static_cast<OperandOf<kPrecision>*>(c.to) + at,
                                 load4(c.from + at));
  }
};

/// Makes the copies anew in one launch, where kPrecision has any: at the start of every call, because
/// anything may have changed the parameters since the last.
template <Precision kPrecision, int kArrays>
void launch_rounded_copies(Stream& stream, const RoundedCopy (&copies)[kArrays]) {
  if constexpr (kPrecision != Precision::kFp32) {
    const RoundedCopies<kPrecision, kArrays> body(copies);
    launch_linear(stream, "rounded_copies", body.count(), body);
  }
}

/// Bytes of `count` rounded values on a stream, 0 where it rounds none.
inline std::size_t rounded_bytes(const Stream& stream, std::size_t count) {
  return stream.precision() == Precision::kFp32 ? 0 : count * operand_bytes(stream.precision());
}
inline Buffer<std::byte> rounded_buffer(const Stream& stream, std::size_t count, const char* name) {
  return Buffer<std::byte>(rounded_bytes(stream, count), Memory::kDevice, name);
}
/// Element `at` of an array of them, null where there is none.
template <Precision kPrecision>
__device__ __forceinline__ void* operand_at(void* array, std::size_t at) {
  return array == nullptr ? nullptr : static_cast<OperandOf<kPrecision>*>(array) + at;
}

}  // namespace mbrl::gpu
