// Tests for kernels/networks/host_mlp.h.
#include "kernels/networks/host_mlp.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

constexpr HostActivation kTanh{[](double z) { return std::tanh(z); },
                               [](double y) { return 1.0 - y * y; }};

TEST(HostMlpTest, ByHand) {
  // hidden tanh(x0 - x1 + 0.5), output 2 h - 1
  HostMlp mlp(make_mlp_layout({2, 1, 1}, 1), kTanh);
  const std::vector<float> parameters{1, -1, 0.5f, 2, -1};
  EXPECT_NEAR(mlp.forward(parameters.data(), std::vector<float>{1.0f, 0.5f})[0],
              2.0 * std::tanh(1.0) - 1.0, 1e-15);
}

TEST(HostMlpTest, ReadsThePaddedLayoutOfTheDevices) {
  const MlpLayout layout = make_mlp_layout({3, 5, 2}), tight = make_mlp_layout({3, 5, 2}, 1);
  EXPECT_EQ(tight.size, 3u * 5 + 5 + 5 * 2 + 2);
  const auto values = random_values(tight.size, 1);
  std::vector<float> padded_values = poisoned(layout.size);
  for (std::size_t i = 0; i < layout.layers.size(); ++i) {
    const LayerLayout &from = tight.layers[i], &to = layout.layers[i];
    for (int o = 0; o < to.out; ++o) {
      for (int k = 0; k < to.in; ++k)
        padded_values[to.weight + static_cast<std::size_t>(o * to.in_pitch + k)] =
            values[from.weight + static_cast<std::size_t>(o * from.in_pitch + k)];
      padded_values[to.bias + static_cast<std::size_t>(o)] =
          values[from.bias + static_cast<std::size_t>(o)];
    }
  }
  const std::vector<double> x{0.3, -1.0, 0.7};
  EXPECT_EQ(HostMlp(layout, kTanh).forward(padded_values.data(), x),
            HostMlp(tight, kTanh).forward(values.data(), x));
}

TEST(HostMlpTest, GradientsAgreeWithCentralDifferences) {
  HostMlp mlp(make_mlp_layout({3, 6, 4, 2}), kTanh);
  reference::Doubles parameters = doubles(random_values(mlp.layout().size, 2));
  std::vector<double> x{0.3, -1.0, 0.7};
  const std::vector<double> dy{0.7, -1.3};
  const auto loss = [&] {
    const std::vector<double>& y = mlp.forward(parameters.data(), x);
    return dy[0] * y[0] + dy[1] * y[1];
  };
  loss();
  std::vector<double> gradient(parameters.size(), 0.0);
  std::size_t count = 0;
  const std::vector<double> dx =
      mlp.backward(parameters.data(), dy, [&](std::size_t at, double d, double in) {
        gradient[at] += d * in;
        ++count;
      });
  EXPECT_EQ(count, 3u * 6 + 6 + 6 * 4 + 4 + 4 * 2 + 2);
  for (std::size_t i = 0; i < parameters.size(); ++i)
    EXPECT_NEAR(gradient[i], reference::derivative(parameters[i], loss), 1e-8) << i;
  for (std::size_t i = 0; i < x.size(); ++i)
    EXPECT_NEAR(dx[i], reference::derivative(x[i], loss), 1e-8) << i;
}

}  // namespace
}  // namespace mbrl
