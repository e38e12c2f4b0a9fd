// Kernels with one thread per element.
#pragma once

#include <cstddef>

#include "cuda/kernel.cuh"

namespace mbrl::gpu {

constexpr int kLinearThreads = 256;

template <typename Body>
__global__ void linear_kernel(std::size_t count, const __grid_constant__ Body body) {
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * kLinearThreads + threadIdx.x;
  if (i < count) body(i);
}

/// body(i) for i in [0, count), where Body is a struct with a device operator(). `name` appears in
/// errors.
template <typename Body>
void launch_linear(Stream& stream, const char* name, std::size_t count, const Body& body) {
  if (count == 0) return;
  const auto blocks = static_cast<unsigned>((count + kLinearThreads - 1) / kLinearThreads);
  launch(stream, name, linear_kernel<Body>, {{blocks, 1, 1}, kLinearThreads, 0}, count, body);
}

}  // namespace mbrl::gpu
