#include "host/algo/policy_network.h"

#include <algorithm>
#include <cmath>

namespace mbrl {

bool PolicyNetwork::has_usual_bounds() const {
  const auto all = [](const std::vector<float>& bounds, float usual) {
    return std::all_of(bounds.begin(), bounds.end(), [&](float x) { return x == usual; });
  };
  return all(low, -1.0f) && all(high, 1.0f);
}

float PolicyNetwork::to_environment(int i, float normalized) const {
  const auto at = static_cast<std::size_t>(i);
  const double l = low[at], h = high[at];
  return static_cast<float>(std::clamp(0.5 * (l + h) + 0.5 * (h - l) * normalized, l, h));
}

std::vector<float> PolicyNetwork::act(std::span<const float> observation) const {
  std::vector<float> x(observation.begin(), observation.end());
  for (std::size_t i = 0; i < mean.size(); ++i)
    x[i] = static_cast<float>(std::clamp((x[i] - mean[i]) * inv_std[i], -limit, limit));
  for (const Layer& layer : layers) {
    std::vector<float> y(layer.bias.size());
    for (std::size_t o = 0; o < y.size(); ++o) {
      double sum = layer.bias[o];
      for (std::size_t i = 0; i < x.size(); ++i)
        sum += static_cast<double>(layer.weight[o * x.size() + i]) * x[i];
      if (&layer == &layers.back()) {
        sum = squash == Squash::kTanh ? std::tanh(sum) : std::clamp(sum, -1.0, 1.0);
      } else {
        sum = hidden == Hidden::kTanh ? std::tanh(sum) : std::max(sum, 0.0);
      }
      y[o] = static_cast<float>(sum);
    }
    x = std::move(y);
  }
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = to_environment(static_cast<int>(i), x[i]);
  return x;
}

std::vector<PolicyNetwork::Layer> network_layers(const MlpLayout& layout, const float* parameters,
                                                 int num_outputs) {
  std::vector<PolicyNetwork::Layer> layers;
  for (const LayerLayout& l : layout.layers) {
    const int out = &l == &layout.layers.back() ? num_outputs : l.out;
    PolicyNetwork::Layer layer{.in = l.in, .out = out, .weight = {}, .bias = {}};
    for (int o = 0; o < out; ++o) {
      const float* row = parameters + l.weight + static_cast<std::size_t>(o) * l.in_pitch;
      layer.weight.insert(layer.weight.end(), row, row + l.in);
    }
    layer.bias.assign(parameters + l.bias, parameters + l.bias + out);
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace mbrl
