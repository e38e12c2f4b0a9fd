#include "kernels/data/ended.h"
#include "kernels/gpu/linear.cuh"

namespace mbrl::gpu {
namespace {

struct GatherEnded {
  TransitionsView data;
  Vector<const std::uint32_t> indices;
  Vector<float> ended;

  __device__ void operator()(std::size_t i) const {
    const auto row = static_cast<int>(i);
    ended[row] = data.record(indices[row])[data.layout.terminated()];
  }
};

}  // namespace

void gather_ended(Stream& stream, const TransitionsView& data, Vector<const std::uint32_t> indices,
                  Vector<float> ended) {
  if (indices.size() == 0) return;
  launch_linear(stream, "gather_ended", indices.count(), GatherEnded{data, indices, ended});
}

}  // namespace mbrl::gpu
