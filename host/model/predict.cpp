#include "host/model/predict.h"

#include <algorithm>

#include "kernels/cpu/model_input.h"
#include "kernels/cpu/tile_mlp.h"

namespace mbrl {

std::vector<float> predict_next_observations(Stream& stream, const EnsembleState& model,
                                             const TransitionsView& records, const RandomKey& key,
                                             std::uint64_t step) {
  const int S = model.data.observation_size;
  const std::vector<float> weights = to_host(model.members.value),
                           input_mean = to_host(model.input_mean),
                           input_inv_std = to_host(model.input_inv_std);

  // records by the elite that answers, in tiles
  const auto num_elites = static_cast<std::uint32_t>(model.elites.size());
  std::vector<std::vector<std::uint32_t>> rows_of(num_elites);
  for (std::uint32_t row = 0; row < records.size; ++row)
    rows_of[uniform_index(key.bits(step, row).x, num_elites)].push_back(row);
  struct Tile {
    int member;
    const std::uint32_t* rows;
    int num_rows;
  };
  std::vector<Tile> tiles;
  for (std::uint32_t e = 0; e < num_elites; ++e) {
    const auto count = static_cast<int>(rows_of[e].size());
    for (int at = 0; at < count; at += kTileRows)
      tiles.push_back({model.elites[e], rows_of[e].data() + at, std::min(kTileRows, count - at)});
  }

  ThreadPool& pool = stream.pool();
  TileMlp mlp(model.layout, Activation::kSwish, pool.num_threads(), false);
  std::vector<float> next(records.size * static_cast<std::size_t>(S));
  pool.parallel_for(static_cast<int>(tiles.size()), [&](int task) {
    const Tile& tile = tiles[static_cast<std::size_t>(task)];
    const int thread = ThreadPool::thread_index();
    gather_model_input(model.maps, records, tile.rows, tile.num_rows, input_mean.data(),
                       input_inv_std.data(), mlp.x(0, thread));
    mlp.forward(weights.data() + static_cast<std::size_t>(tile.member) * model.layout.size, thread);
    const float* predicted = mlp.output(thread) + model.maps.first_state() * kTileRows;
    for (int lane = 0; lane < tile.num_rows; ++lane) {
      const std::uint32_t row = tile.rows[lane];
      const float* from = model.maps.from(records.record(row), model.data);
      for (int i = 0; i < S; ++i)
        next[static_cast<std::size_t>(row) * S + i] =
            model.maps.state(i, from[i], predicted[i * kTileRows + lane]);
    }
  });
  return next;
}

}  // namespace mbrl
