// What happens to one parameter once its gradient is known: decay, Adam, target averaging.
#pragma once

#include "cuda/kernel.cuh"
#include "kernels/adam.h"
#include "kernels/device_mlp.h"
#include "kernels/polyak.h"

namespace mbrl::gpu {

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
    if (n.target != nullptr) n.target[at] = polyak(n.target[at], value, tau);
  }
};

}  // namespace mbrl::gpu
