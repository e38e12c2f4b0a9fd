// A network on the host, one row at a time in double: for what is rare or small, such as a tuner's
// decisions, and as an oracle of the stages.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "kernels/networks/mlp_layout.h"

namespace mbrl {

/// A hidden activation, and its derivative given its value.
struct HostActivation {
  double (*value)(double z);
  double (*gradient)(double y);
};

/// Plain loops over an MlpLayout. Parameters, of any arithmetic type, belong to the caller.
class HostMlp {
 public:
  HostMlp(MlpLayout layout, HostActivation hidden)
      : layout_(std::move(layout)), hidden_(hidden), x_(layout_.layers.size() + 1) {}

  const MlpLayout& layout() const { return layout_; }

  /// Output of the network, until the next call.
  template <typename Parameter, typename Range>
  const std::vector<double>& forward(const Parameter* parameters, const Range& input) {
    x_[0].assign(input.begin(), input.end());
    for (std::size_t layer = 0; layer < layout_.layers.size(); ++layer) {
      const LayerLayout& l = layout_.layers[layer];
      std::vector<double>& y = x_[layer + 1];
      y.resize(static_cast<std::size_t>(l.out));
      for (std::size_t o = 0; o < y.size(); ++o) {
        double sum = parameters[l.bias + o];
        for (std::size_t i = 0; i < x_[layer].size(); ++i)
          sum += x_[layer][i] * parameters[weight(l, o, i)];
        y[o] = layer + 1 == layout_.layers.size() ? sum : hidden_.value(sum);
      }
    }
    return x_.back();
  }

  /// Gradients at the input of the last forward(), given that of the output: calls each(at, dy, x)
  /// once per parameter, whose gradient is dy x (x is 1 for a bias). each() may change that
  /// parameter. Returns the gradient of the input.
  template <typename Parameter, typename Each>
  std::vector<double> backward(const Parameter* parameters, std::vector<double> dy, Each&& each) {
    for (std::size_t layer = layout_.layers.size(); layer-- > 0;) {
      const LayerLayout& l = layout_.layers[layer];
      const std::vector<double>& in = x_[layer];
      std::vector<double> dx(in.size(), 0.0);
      for (std::size_t o = 0; o < dy.size(); ++o) {
        for (std::size_t i = 0; i < in.size(); ++i) {
          dx[i] += parameters[weight(l, o, i)] * dy[o];
          each(weight(l, o, i), dy[o], in[i]);
        }
        each(l.bias + o, dy[o], 1.0);
      }
      if (layer > 0)
        for (std::size_t i = 0; i < dx.size(); ++i) dx[i] *= hidden_.gradient(in[i]);
      dy = std::move(dx);
    }
    return dy;
  }

 private:
  static std::size_t weight(const LayerLayout& l, std::size_t out, std::size_t in) {
    return l.weight + out * static_cast<std::size_t>(l.in_pitch) + in;
  }

  MlpLayout layout_;
  HostActivation hidden_;
  std::vector<std::vector<double>> x_;  // activations of all layers, input first
};

}  // namespace mbrl
