// Tests for kernels/networks/initialize.{h,cpp}.
#include "kernels/networks/initialize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/matchers.h"

namespace mbrl {
namespace {

using Init = void (*)(const MlpLayout&, float*, const RandomKey&, InitNetwork);
const RandomKey kKey{1, purpose::kInit, 0};

std::vector<float> initial(Init init, const MlpLayout& layout, const RandomKey& key = kKey,
                           InitNetwork network = InitNetwork::kActor) {
  std::vector<float> parameters = poisoned(layout.size);
  init(layout, parameters.data(), key, network);
  return parameters;
}

std::vector<float> weights(const std::vector<float>& parameters, const LayerLayout& l) {
  std::vector<float> w;
  for (int o = 0; o < l.out; ++o)
    for (int i = 0; i < l.in; ++i)
      w.push_back(parameters[l.weight + static_cast<std::size_t>(o) * l.in_pitch + i]);
  return w;
}

double standard_deviation(const std::vector<float>& x) {
  double squares = 0.0;
  for (const float v : x) squares += static_cast<double>(v) * v;
  return std::sqrt(squares / static_cast<double>(x.size()));
}

class InitializeTest : public testing::TestWithParam<Init> {};

TEST_P(InitializeTest, BiasesAndPaddingAreZero) {
  const MlpLayout layout = make_mlp_layout({14, 200, 24});
  auto parameters = initial(GetParam(), layout);
  for (const LayerLayout& l : layout.layers)
    for (int o = 0; o < l.out; ++o)
      for (int i = 0; i < l.in; ++i) {
        float& w = parameters[l.weight + static_cast<std::size_t>(o) * l.in_pitch + i];
        EXPECT_FALSE(std::isnan(w));
        w = 0.0f;
      }
  EXPECT_EQ(parameters, std::vector<float>(layout.size));
}

TEST_P(InitializeTest, EveryCoordinateGivesOtherWeights) {
  const MlpLayout layout = make_mlp_layout({4, 4, 4});
  const auto first = initial(GetParam(), layout);
  EXPECT_EQ(initial(GetParam(), layout), first);
  EXPECT_NE(initial(GetParam(), layout, {2, purpose::kInit, 0}), first);
  EXPECT_NE(initial(GetParam(), layout, {1, purpose::kInit, 1}), first);
  EXPECT_NE(initial(GetParam(), layout, kKey, InitNetwork::kCritic0), first);
  EXPECT_NE(weights(first, layout.layers[0]), weights(first, layout.layers[1]));
}

TEST_P(InitializeTest, WeightsOfALayerAreDistinctAndCentred) {
  const MlpLayout layout = make_mlp_layout({200, 256});
  auto w = weights(initial(GetParam(), layout), layout.layers[0]);
  double sum = 0.0;
  for (const float v : w) sum += v;
  const double n = static_cast<double>(w.size()), sd = standard_deviation(w);
  EXPECT_NEAR(sum / n, 0.0, 5.0 * sd / std::sqrt(n));
  std::sort(w.begin(), w.end());
  // 51200 draws of 24 bits meet about 78 times
  EXPECT_GT(std::unique(w.begin(), w.end()) - w.begin(), 50000);
}
INSTANTIATE_TEST_SUITE_P(Kinds, InitializeTest,
                         testing::Values(&init_glorot_uniform, &init_truncated_normal),
                         [](const auto& kind) {
                           return kind.param == &init_glorot_uniform ? "glorot"
                                                                     : "truncated_normal";
                         });

TEST(GlorotTest, FillsItsLimits) {
  const MlpLayout layout = make_mlp_layout({14, 256, 6});
  const auto parameters = initial(init_glorot_uniform, layout);
  for (const LayerLayout& l : layout.layers) {
    const double limit = std::sqrt(6.0 / (l.in + l.out));
    const auto w = weights(parameters, l);
    const auto [low, high] = std::minmax_element(w.begin(), w.end());
    EXPECT_GE(*low, -limit * (1 + 1e-6));
    EXPECT_LE(*high, limit * (1 + 1e-6));
    EXPECT_LT(*low, -0.98 * limit);
    EXPECT_GT(*high, 0.98 * limit);
    // a uniform's deviation; its sample over 1500 weights is within 1.2 % (one standard error)
    EXPECT_NEAR(standard_deviation(w) / (limit / std::sqrt(3.0)), 1.0, 0.05);
  }
}

TEST(TruncatedNormalTest, StaysWithinTwoDeviations) {
  const MlpLayout layout = make_mlp_layout({25, 200, 200});
  const auto parameters = initial(init_truncated_normal, layout);
  for (const LayerLayout& l : layout.layers) {
    const double deviation = 1.0 / (2.0 * std::sqrt(l.in));
    const auto w = weights(parameters, l);
    const auto [low, high] = std::minmax_element(w.begin(), w.end());
    EXPECT_GE(*low, -2.0 * deviation * (1 + 1e-6));
    EXPECT_LE(*high, 2.0 * deviation * (1 + 1e-6));
    EXPECT_LT(*low, -1.95 * deviation);
    EXPECT_GT(*high, 1.95 * deviation);
    // redrawn, not clipped: nothing piles up at the edge, and the deviation falls to 0.8796
    const auto at_edge = std::count_if(w.begin(), w.end(),
                                       [&](float v) { return std::fabs(v) > 1.999 * deviation; });
    EXPECT_LT(at_edge, static_cast<std::ptrdiff_t>(w.size()) / 1000);
    EXPECT_NEAR(standard_deviation(w) / deviation, 0.8796, 0.03);
  }
}

}  // namespace
}  // namespace mbrl
