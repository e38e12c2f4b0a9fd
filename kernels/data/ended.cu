#include "cuda/kernel.cuh"
#include "kernels/data/ended.h"

namespace mbrl::gpu {
namespace {

constexpr int kThreads = 256;

__global__ void gather_ended_kernel(const __grid_constant__ TransitionsView data,
                                    Vector<const std::uint32_t> indices, Vector<float> ended) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < ended.size()) ended[i] = data.record(indices[i])[data.layout.terminated()];
}

}  // namespace

void gather_ended(Stream& stream, const TransitionsView& data, Vector<const std::uint32_t> indices,
                  Vector<float> ended) {
  if (indices.size() == 0) return;
  const auto blocks = static_cast<unsigned>((indices.count() + kThreads - 1) / kThreads);
  launch(stream, "gather_ended", gather_ended_kernel, {{blocks, 1, 1}, kThreads, 0}, data, indices,
         ended);
}

}  // namespace mbrl::gpu
