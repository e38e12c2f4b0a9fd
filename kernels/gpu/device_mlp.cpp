#include "kernels/gpu/device_mlp.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "base/error.h"

namespace mbrl::gpu {

MlpTable make_table(const MlpLayout& layout) {
  if (layout.num_layers() > kMaxLayers)
    throw ConfigError("a network has " + std::to_string(layout.num_layers() - 1) +
                      " hidden layers; on the GPU up to " + std::to_string(kMaxLayers - 1) +
                      " are possible. Use fewer and wider ones, or --device cpu.");
  MlpTable table;
  table.num_layers = layout.num_layers();
  std::copy(layout.layers.begin(), layout.layers.end(), table.layer);
  return table;
}

int widest(const MlpTable& mlp) {
  int width = 0;
  for (int i = 0; i < mlp.num_layers; ++i)
    width = std::max({width, mlp.layer[i].in_pitch, padded(mlp.layer[i].out)});
  return width;
}

void require_precision(const Stream& stream, Precision made_for) {
  if (stream.precision() != made_for)
    throw std::logic_error("a workspace was made for a stream of another precision");
}

SavedLayout make_saved_layout(const MlpLayout& layout, int rows) {
  SavedLayout saved{};
  const auto reserve = [&](int width) {
    const std::size_t offset = saved.size;
    saved.size += static_cast<std::size_t>(rows) * width;
    return offset;
  };
  for (int i = 0; i < layout.num_layers(); ++i) {
    const LayerLayout& l = layout.layers[i];
    saved.x_pitch[i] = l.in_pitch;
    saved.dz_pitch[i] = padded(l.out);
    saved.x_offset[i] = reserve(saved.x_pitch[i]);
    saved.dz_offset[i] = reserve(saved.dz_pitch[i]);
  }
  return saved;
}

}  // namespace mbrl::gpu
