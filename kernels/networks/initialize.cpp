#include "kernels/networks/initialize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "cuda/memory.h"

namespace mbrl {
namespace {

// draw(layer, step, row) for each weight; step tells networks and layers apart, row the weights
template <typename Draw>
void init_weights(const MlpLayout& layout, float* parameters, InitNetwork network, Draw draw) {
  std::vector<float> values(layout.size, 0.0f);
  for (int i = 0; i < layout.num_layers(); ++i) {
    const LayerLayout& l = layout.layers[i];
    const std::uint64_t step =
        (static_cast<std::uint64_t>(network) << 8) | static_cast<unsigned>(i);
    for (int out = 0; out < l.out; ++out)
      for (int in = 0; in < l.in; ++in)
        values[l.weight + static_cast<std::size_t>(out) * l.in_pitch + in] =
            draw(l, step, static_cast<std::uint32_t>(out * l.in + in));
  }
  copy_memory(parameters, values.data(), values.size() * sizeof(float));
}

}  // namespace

void init_glorot_uniform(const MlpLayout& layout, float* parameters, const RandomKey& key,
                         InitNetwork network) {
  init_weights(layout, parameters, network,
               [&](const LayerLayout& l, std::uint64_t step, std::uint32_t row) {
                 const float limit = std::sqrt(6.0f / static_cast<float>(l.in + l.out));
                 return limit * (2.0f * uniform01(key.bits(step, row).x) - 1.0f);
               });
}

void init_truncated_normal(const MlpLayout& layout, float* parameters, const RandomKey& key,
                           InitNetwork network) {
  init_weights(layout, parameters, network,
               [&](const LayerLayout& l, std::uint64_t step, std::uint32_t row) {
                 const float deviation = 0.5f / std::sqrt(static_cast<float>(l.in));
                 // each of the 1024 tries fails with probability 0.046
                 float n = 0.0f;
                 for (int i = 0; i < 1024; ++i) {
                   n = normal(key, step, row, i);
                   if (std::abs(n) <= 2.0f) break;
                 }
                 return deviation * n;
               });
}

void init_actor(GaussianActor& actor, std::uint32_t seed, std::uint32_t learner) {
  init_glorot_uniform(actor.layout, actor.parameters.value.data(), {seed, purpose::kInit, learner},
                      InitNetwork::kActor);
}

}  // namespace mbrl
