#include "kernels/data/ended.h"

#include "kernels/data/shapes.h"

namespace mbrl {

void gather_ended(Stream& stream, const TransitionsView& data, Vector<const std::uint32_t> indices,
                  Vector<float> ended) {
  check_shape("gather_ended", {"ended", ended}, {indices.size()}, "one per index");
  if (stream.on_gpu()) return gpu::gather_ended(stream, data, indices, ended);
  for (int i = 0; i < indices.size(); ++i)
    ended[i] = data.record(indices[i])[data.layout.terminated()];
}

}  // namespace mbrl
