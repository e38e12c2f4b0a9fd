// Tests for kernels/cpu/tile_mlp.{h,cpp}: a network that reads another's input, rows in other tiles,
// and in bf16 against double precision on rounded operands; passes in fp32 are checked by the tests of
// the stages.
#include "kernels/cpu/tile_mlp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "base/thread_pool.h"
#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

constexpr int kTiles = 3;

/// Parameters as passes read them, with their copies where products are in bf16.
struct Weights {
  std::vector<float> value;
  std::vector<Bf16Weights> copies;

  Weights(const MlpLayout& layout, std::uint32_t seed, bool bf16)
      : value(random_values(layout.size, seed)), copies(make_bf16_weights(bf16, layout, 1)) {
    // the padding of a layer's weights is zero, as in all that is trained
    for (const LayerLayout& l : layout.layers)
      for (int o = 0; o < l.out; ++o)
        for (int i = l.in; i < l.in_pitch; ++i)
          value[l.weight + static_cast<std::size_t>(o) * l.in_pitch + i] = 0.0f;
    for (Bf16Weights& copy : copies) copy.refresh(value.data());
  }
  operator NetworkWeights() { return {value.data(), bf16_of(copies, 0)}; }
};

class TileMlpTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { flush_denormals(); }  // as in threads of a pool
  bool bf16() const { return GetParam(); }
  TileMlp make(const MlpLayout& layout, int tiles, bool training, TileMlp* input_of = nullptr,
               Activation hidden = Activation::kRelu) const {
    return TileMlp(layout, hidden, tiles, training, input_of, bf16());
  }
};
INSTANTIATE_TEST_SUITE_P(Precision, TileMlpTest, testing::Bool(),
                         [](const auto& p) { return p.param ? "bf16" : "fp32"; });

// forward, backward from random output gradients, and the gradient of all parameters
std::vector<float> gradient_of(TileMlp& mlp, Weights& weights) {
  const int outputs = mlp.layout().output_size();
  for (int tile = 0; tile < kTiles; ++tile) {
    mlp.forward(weights, tile);
    const auto dy = random_values(static_cast<std::size_t>(outputs * kTileRows), 7);
    std::copy(dy.begin(), dy.end(), mlp.output_gradient(tile));
    mlp.backward(weights, tile);
  }
  std::vector<float> gradient(weights.value.size(), 0.0f), scratch(mlp.update_scratch_size());
  for (int task = 0; task < mlp.num_update_tasks(); ++task)
    mlp.update(task, kTiles,
               {.value = nullptr,
                .m = nullptr,
                .v = nullptr,
                .adam = {},
                .gradient = gradient.data(),
                .bf16 = bf16_of(weights.copies, 0)},
               scratch.data());
  return gradient;
}

TEST_P(TileMlpTest, TwoNetworksMayReadOneInput) {
  const MlpLayout layout = make_mlp_layout({5, 40, 2});
  TileMlp first = make(layout, kTiles, true);
  TileMlp second = make(layout, kTiles, true, &first);
  TileMlp alone = make(layout, kTiles, true);
  Weights parameters(layout, 1, bf16()), others(layout, 2, bf16());
  for (int tile = 0; tile < kTiles; ++tile) {
    const auto x = random_values(static_cast<std::size_t>(5 * kTileRows),
                                 static_cast<std::uint32_t>(10 + tile));
    std::copy(x.begin(), x.end(), first.x(0, tile));
    std::copy(x.begin(), x.end(), alone.x(0, tile));
    EXPECT_EQ(second.x(0, tile), first.x(0, tile));
    EXPECT_NE(second.output(tile), first.output(tile));
  }
  const std::vector<float> of_first = gradient_of(first, parameters);
  EXPECT_EQ(gradient_of(second, others), gradient_of(alone, others));
  EXPECT_EQ(gradient_of(alone, parameters), of_first);
  EXPECT_EQ(gradient_of(first, parameters), of_first);
}

TEST(TileMlpInputTest, ASharedInputStaysWhereItIsWhenTheNetworksMove) {
  const MlpLayout layout = make_mlp_layout({5, 40, 2});
  std::vector<TileMlp> networks;
  networks.emplace_back(layout, Activation::kRelu, 1, false);
  networks.emplace_back(layout, Activation::kRelu, 1, false, &networks[0]);
  networks.emplace_back(layout, Activation::kRelu, 1, false, &networks[0]);
  EXPECT_EQ(networks[1].x(0, 0), networks[0].x(0, 0));
  EXPECT_EQ(networks[2].x(0, 0), networks[0].x(0, 0));
}

TEST_P(TileMlpTest, RowsRunBackwardInAnyTileWithTheSameResult) {
  const MlpLayout layout = make_mlp_layout({5, 41, 24, 1});
  Weights parameters(layout, 1, bf16());
  TileMlp all = make(layout, kTiles, true);
  TileMlp forward_only = make(layout, kTiles, false);
  TileMlp chosen = make(layout, 2, true);
  std::vector<float> dx(static_cast<std::size_t>(kTiles * 5 * kTileRows));
  for (int tile = 0; tile < kTiles; ++tile) {
    const auto x = random_values(static_cast<std::size_t>(5 * kTileRows),
                                 static_cast<std::uint32_t>(10 + tile));
    for (TileMlp* mlp : {&all, &forward_only}) {
      std::copy(x.begin(), x.end(), mlp->x(0, tile));
      mlp->forward(parameters, tile);
    }
    std::fill_n(all.output_gradient(tile), kTileRows, 0.5f);
    all.backward(parameters, tile);
    all.input_gradient(parameters, tile, 0, 5, dx.data() + tile * 5 * kTileRows);
  }
  // every third row, the last one in the lanes that are left
  std::uint32_t rows[kTileRows];
  for (int lane = 0; lane < kTileRows; ++lane)
    rows[lane] = static_cast<std::uint32_t>(std::min(3 * lane, 3 * 25));
  chosen.take_hidden_units(forward_only, rows, 1);
  std::fill_n(chosen.output_gradient(1), kTileRows, 0.5f);
  chosen.backward(parameters, 1);
  std::vector<float> got(static_cast<std::size_t>(2 * kTileRows));
  chosen.input_gradient(parameters, 1, 2, 2, got.data());
  for (int i = 0; i < 2; ++i)
    for (int lane = 0; lane < kTileRows; ++lane)
      EXPECT_EQ(got[i * kTileRows + lane],
                dx[(rows[lane] / kTileRows * 5 + 2 + i) * kTileRows + rows[lane] % kTileRows])
          << i << " " << lane;
}

double rounded(float x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(to_bf16(x)) << 16);
}

/// Gradients in double precision where operands of products are rounded to bf16, errors also for the
/// biases, and all else is exact.
struct ExactGradients {
  std::vector<double> parameters;
  std::vector<double> inputs;  // [tile, lane, in]
};

/// Inputs x [tile][in][lane], gradients of the outputs dy [tile][out][lane].
ExactGradients gradients_on_rounded_operands(const MlpLayout& layout, Activation hidden,
                                             const std::vector<float>& value,
                                             const std::vector<std::vector<float>>& x,
                                             const std::vector<std::vector<float>>& dy) {
  std::vector<double> gradient(value.size(), 0.0), of_inputs;
  const int layers = layout.num_layers();
  const auto weight = [&](const LayerLayout& l, int o, int i) {
    return l.weight + static_cast<std::size_t>(o) * l.in_pitch + i;
  };
  for (std::size_t tile = 0; tile < x.size(); ++tile)
    for (int lane = 0; lane < kTileRows; ++lane) {
      std::vector<std::vector<double>> units(layers + 1), derivatives(layers + 1);
      for (int i = 0; i < layout.input_size(); ++i)
        units[0].push_back(x[tile][static_cast<std::size_t>(i) * kTileRows + lane]);
      for (int layer = 0; layer < layers; ++layer) {
        const LayerLayout& l = layout.layers[layer];
        for (int o = 0; o < l.out; ++o) {
          double z = value[l.bias + o];
          for (int i = 0; i < l.in; ++i)
            z += rounded(value[weight(l, o, i)]) * rounded(static_cast<float>(units[layer][i]));
          const Activation kind = layer + 1 == layers ? Activation::kNone : hidden;
          const auto f = [&] { return reference::activate(kind, z); };
          units[layer + 1].push_back(f());
          derivatives[layer + 1].push_back(reference::derivative(z, f));
        }
      }
      std::vector<double> d(static_cast<std::size_t>(layout.output_size()));
      for (std::size_t o = 0; o < d.size(); ++o) d[o] = dy[tile][o * kTileRows + lane];
      for (int layer = layers - 1; layer >= 0; --layer) {
        const LayerLayout& l = layout.layers[layer];
        std::vector<double> before(static_cast<std::size_t>(l.in), 0.0);
        for (int o = 0; o < l.out; ++o) {
          const double error = rounded(static_cast<float>(d[o]));
          gradient[l.bias + o] += error;
          for (int i = 0; i < l.in; ++i) {
            gradient[weight(l, o, i)] += error * rounded(static_cast<float>(units[layer][i]));
            before[i] += error * rounded(value[weight(l, o, i)]);
          }
        }
        for (int i = 0; i < l.in && layer > 0; ++i) before[i] *= derivatives[layer][i];
        d = before;
      }
      of_inputs.insert(of_inputs.end(), d.begin(), d.end());
    }
  return {gradient, of_inputs};
}

// odd widths, a narrow output, more layers than buffers between them
TEST(TileMlpBf16Test, TheGradientAgreesWithDoublePrecisionOnRoundedOperands) {
  flush_denormals();
  for (const Activation hidden : {Activation::kRelu, Activation::kSwish}) {
    const MlpLayout layout = make_mlp_layout({5, 41, 24, 33, 3});
    Weights parameters(layout, 1, true);
    for (float& v : parameters.value) v *= 0.3f;
    parameters.copies[0].refresh(parameters.value.data());
    TileMlp mlp(layout, hidden, kTiles, true, nullptr, true);
    std::vector<std::vector<float>> x, dy;
    for (int tile = 0; tile < kTiles; ++tile) {
      x.push_back(random_values(static_cast<std::size_t>(5 * kTileRows),
                                static_cast<std::uint32_t>(10 + tile)));
      std::copy(x.back().begin(), x.back().end(), mlp.x(0, tile));
      dy.push_back(random_values(static_cast<std::size_t>(3 * kTileRows), 7));  // gradient_of's
    }
    const std::vector<float> got = gradient_of(mlp, parameters);
    const ExactGradients exact =
        gradients_on_rounded_operands(layout, hidden, parameters.value, x, dy);
    // a unit whose last bits differ may round to another bf16, 2^-9 away
    EXPECT_THAT(got, NearInNorm(exact.parameters, 3e-4)) << static_cast<int>(hidden);

    // inputs 1 to 3
    std::vector<float> of_inputs;
    std::vector<double> exact_of_inputs;
    for (int tile = 0; tile < kTiles; ++tile) {
      std::vector<float> dx(static_cast<std::size_t>(3 * kTileRows));
      mlp.input_gradient(parameters, tile, 1, 3, dx.data());
      of_inputs.insert(of_inputs.end(), dx.begin(), dx.end());
      for (int i = 1; i < 4; ++i)
        for (int lane = 0; lane < kTileRows; ++lane)
          exact_of_inputs.push_back(
              exact.inputs[static_cast<std::size_t>((tile * kTileRows + lane) * 5 + i)]);
    }
    EXPECT_THAT(of_inputs, NearInNorm(exact_of_inputs, 3e-4)) << static_cast<int>(hidden);
  }
}

TEST(TileMlpTilesTest, TilesThatGoTogetherGiveTheSame) {
  // more outputs than tiles take in turns, and a number that is no multiple of it
  const MlpLayout layout = make_mlp_layout({5, 100, 64, 7});
  const auto parameters = random_values(layout.size, 1);
  for (const bool bf16 : {false, true}) {
    std::vector<Bf16Weights> copies = make_bf16_weights(bf16, layout, 1);
    if (bf16) copies[0].refresh(parameters.data());
    const NetworkWeights weights(parameters.data(), bf16_of(copies, 0));
    TileMlp one(layout, Activation::kSwish, kTiles + 1, false, nullptr, bf16);
    TileMlp together(layout, Activation::kSwish, kTiles + 1, false, nullptr, bf16);
    for (int tile = 0; tile <= kTiles; ++tile) {
      const auto x = random_values(static_cast<std::size_t>(5 * kTileRows),
                                   static_cast<std::uint32_t>(10 + tile));
      for (TileMlp* mlp : {&one, &together}) std::copy(x.begin(), x.end(), mlp->x(0, tile));
      one.forward(weights, tile);
    }
    together.forward_tiles(weights, 1, kTiles);
    for (int tile = 1; tile <= kTiles; ++tile)
      EXPECT_TRUE(
          std::equal(one.output(tile), one.output(tile) + 7 * kTileRows, together.output(tile)));
    EXPECT_EQ(together.output(0)[0], 0.0f) << "a tile that was not asked for";
  }
}

}  // namespace
}  // namespace mbrl
