// Tests for kernels/cpu/tile_mlp.{h,cpp}: a network that reads another's input, rows in other tiles; the
// passes themselves are checked by the tests of the stages.
#include "kernels/cpu/tile_mlp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/support/matchers.h"

namespace mbrl {
namespace {

constexpr int kTiles = 3;

// forward, backward from random output gradients, and the gradient of all parameters
std::vector<float> gradient_of(TileMlp& mlp, const std::vector<float>& parameters) {
  for (int tile = 0; tile < kTiles; ++tile) {
    mlp.forward(parameters.data(), tile);
    const auto dy = random_values(static_cast<std::size_t>(2 * kTileRows), 7);
    std::copy(dy.begin(), dy.end(), mlp.output_gradient(tile));
    mlp.backward(parameters.data(), tile);
  }
  std::vector<float> gradient(parameters.size(), 0.0f), scratch(mlp.update_scratch_size());
  for (int task = 0; task < mlp.num_update_tasks(); ++task)
    mlp.update(
        task, kTiles,
        {.value = nullptr, .m = nullptr, .v = nullptr, .adam = {}, .gradient = gradient.data()},
        scratch.data());
  return gradient;
}

TEST(TileMlpTest, TwoNetworksMayReadOneInput) {
  const MlpLayout layout = make_mlp_layout({5, 40, 2});
  TileMlp first(layout, Activation::kRelu, kTiles, true);
  TileMlp second(layout, Activation::kRelu, kTiles, true, &first);
  TileMlp alone(layout, Activation::kRelu, kTiles, true);
  const auto parameters = random_values(layout.size, 1), others = random_values(layout.size, 2);
  for (int tile = 0; tile < kTiles; ++tile) {
    const auto x = random_values(static_cast<std::size_t>(5 * kTileRows),
                                 static_cast<std::uint32_t>(10 + tile));
    std::copy(x.begin(), x.end(), first.x(0, tile));
    std::copy(x.begin(), x.end(), alone.x(0, tile));
    EXPECT_EQ(second.x(0, tile), first.x(0, tile));
    EXPECT_NE(second.x(1, tile), first.x(1, tile));
  }
  const std::vector<float> of_first = gradient_of(first, parameters);
  EXPECT_EQ(gradient_of(second, others), gradient_of(alone, others));
  EXPECT_EQ(gradient_of(alone, parameters), of_first);
  EXPECT_EQ(gradient_of(first, parameters), of_first);
}

TEST(TileMlpTest, ASharedInputStaysWhereItIsWhenTheNetworksMove) {
  const MlpLayout layout = make_mlp_layout({5, 40, 2});
  std::vector<TileMlp> networks;
  networks.emplace_back(layout, Activation::kRelu, 1, false);
  networks.emplace_back(layout, Activation::kRelu, 1, false, &networks[0]);
  networks.emplace_back(layout, Activation::kRelu, 1, false, &networks[0]);
  EXPECT_EQ(networks[1].x(0, 0), networks[0].x(0, 0));
  EXPECT_EQ(networks[2].x(0, 0), networks[0].x(0, 0));
}

TEST(TileMlpTest, RowsRunBackwardInAnyTileWithTheSameResult) {
  const MlpLayout layout = make_mlp_layout({5, 40, 24, 1});
  const auto parameters = random_values(layout.size, 1);
  TileMlp all(layout, Activation::kRelu, kTiles, true);
  TileMlp forward_only(layout, Activation::kRelu, kTiles, false);
  TileMlp chosen(layout, Activation::kRelu, 2, true);
  std::vector<float> dx(static_cast<std::size_t>(kTiles * 5 * kTileRows));
  for (int tile = 0; tile < kTiles; ++tile) {
    const auto x = random_values(static_cast<std::size_t>(5 * kTileRows),
                                 static_cast<std::uint32_t>(10 + tile));
    for (TileMlp* mlp : {&all, &forward_only}) {
      std::copy(x.begin(), x.end(), mlp->x(0, tile));
      mlp->forward(parameters.data(), tile);
    }
    std::fill_n(all.output_gradient(tile), kTileRows, 0.5f);
    all.backward(parameters.data(), tile);
    all.input_gradient(parameters.data(), tile, 0, 5, dx.data() + tile * 5 * kTileRows);
  }
  // every third row, the last one in the lanes that are left
  std::uint32_t rows[kTileRows];
  for (int lane = 0; lane < kTileRows; ++lane)
    rows[lane] = static_cast<std::uint32_t>(std::min(3 * lane, 3 * 25));
  chosen.take_hidden_units(forward_only, rows, 1);
  std::fill_n(chosen.output_gradient(1), kTileRows, 0.5f);
  chosen.backward(parameters.data(), 1);
  std::vector<float> got(static_cast<std::size_t>(2 * kTileRows));
  chosen.input_gradient(parameters.data(), 1, 2, 2, got.data());
  for (int i = 0; i < 2; ++i)
    for (int lane = 0; lane < kTileRows; ++lane)
      EXPECT_EQ(got[i * kTileRows + lane],
                dx[(rows[lane] / kTileRows * 5 + 2 + i) * kTileRows + rows[lane] % kTileRows])
          << i << " " << lane;
}

TEST(TileMlpTest, TilesThatGoTogetherGiveTheSame) {
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
