#include "host/model/predict.h"

#include <algorithm>
#include <numeric>

#include "kernels/cpu/model_input.h"
#include "kernels/cpu/tile_mlp.h"

namespace mbrl {
namespace {

/// Rows that one member predicts, at most 32.
struct MemberTile {
  int member;
  const std::uint32_t* rows;
  int num_rows;
};

// the rows in tiles
void add_tiles(std::vector<MemberTile>& tiles, int member, const std::vector<std::uint32_t>& rows) {
  const auto count = static_cast<int>(rows.size());
  for (int at = 0; at < count; at += kTileRows)
    tiles.push_back({member, rows.data() + at, std::min(kTileRows, count - at)});
}

// all rows by every member
std::vector<MemberTile> tiles_of_all(const EnsembleState& model,
                                     const std::vector<std::uint32_t>& rows) {
  std::vector<MemberTile> tiles;
  for (int e = 0; e < model.ensemble_size; ++e) add_tiles(tiles, e, rows);
  return tiles;
}

std::vector<std::uint32_t> all_rows(const TransitionsView& records) {
  std::vector<std::uint32_t> rows(records.size);
  std::iota(rows.begin(), rows.end(), 0u);
  return rows;
}

// on_tile(tile, outputs [outputs, 32]) of every tile, on the host
template <typename OnTile>
void predict_tiles(Stream& stream, const EnsembleState& model, const TransitionsView& records,
                   const std::vector<MemberTile>& tiles, OnTile&& on_tile) {
  const std::vector<float> weights = to_host(model.members.value),
                           input_mean = to_host(model.input_mean),
                           input_inv_std = to_host(model.input_inv_std);
  ThreadPool& pool = stream.pool();
  TileMlp mlp(model.layout, Activation::kSwish, pool.num_threads(), false);
  pool.parallel_for(static_cast<int>(tiles.size()), [&](int task) {
    const MemberTile& tile = tiles[static_cast<std::size_t>(task)];
    const int thread = ThreadPool::thread_index();
    gather_model_input(model.maps, records, tile.rows, tile.num_rows, input_mean.data(),
                       input_inv_std.data(), mlp.x(0, thread));
    mlp.forward(weights.data() + static_cast<std::size_t>(tile.member) * model.layout.size, thread);
    on_tile(tile, mlp.output(thread));
  });
}

// the mean next observation [S] that a lane's outputs stand for
void next_of_lane(const EnsembleState& model, const float* record, const float* outputs, int lane,
                  float* next) {
  const float* from = model.maps.from(record, model.data);
  for (int i = 0; i < model.data.observation_size; ++i)
    next[i] =
        model.maps.state(i, from[i], outputs[(model.maps.first_state() + i) * kTileRows + lane]);
}

}  // namespace

std::vector<float> predict_next_observations(Stream& stream, const EnsembleState& model,
                                             const TransitionsView& records, const RandomKey& key,
                                             std::uint64_t step) {
  // records by the elite that answers
  const auto num_elites = static_cast<std::uint32_t>(model.elites.size());
  std::vector<std::vector<std::uint32_t>> rows_of(num_elites);
  for (std::uint32_t row = 0; row < records.size; ++row)
    rows_of[uniform_index(key.bits(step, row).x, num_elites)].push_back(row);
  std::vector<MemberTile> tiles;
  for (std::uint32_t e = 0; e < num_elites; ++e) add_tiles(tiles, model.elites[e], rows_of[e]);

  const auto S = static_cast<std::size_t>(model.data.observation_size);
  std::vector<float> next(records.size * S);
  predict_tiles(stream, model, records, tiles, [&](const MemberTile& tile, const float* outputs) {
    for (int lane = 0; lane < tile.num_rows; ++lane)
      next_of_lane(model, records.record(tile.rows[lane]), outputs, lane,
                   next.data() + tile.rows[lane] * S);
  });
  return next;
}

std::vector<float> predict_by_members(Stream& stream, const EnsembleState& model,
                                      const TransitionsView& records) {
  const std::vector<std::uint32_t> rows = all_rows(records);
  const auto S = static_cast<std::size_t>(model.data.observation_size);
  std::vector<float> next(static_cast<std::size_t>(model.ensemble_size) * records.size * S);
  predict_tiles(stream, model, records, tiles_of_all(model, rows),
                [&](const MemberTile& tile, const float* outputs) {
                  float* of_member =
                      next.data() + static_cast<std::size_t>(tile.member) * records.size * S;
                  for (int lane = 0; lane < tile.num_rows; ++lane)
                    next_of_lane(model, records.record(tile.rows[lane]), outputs, lane,
                                 of_member + tile.rows[lane] * S);
                });
  return next;
}

std::vector<double> losses_by_members(Stream& stream, const EnsembleState& model,
                                      const TransitionsView& records) {
  const std::vector<std::uint32_t> rows = all_rows(records);
  const std::vector<float> shared_values = to_host(model.logvar_bounds.value);
  const int D = model.num_targets();
  std::vector<double> losses(static_cast<std::size_t>(model.ensemble_size) * records.size);
  predict_tiles(
      stream, model, records, tiles_of_all(model, rows),
      [&](const MemberTile& tile, const float* outputs) {
        double* of_member = losses.data() + static_cast<std::size_t>(tile.member) * records.size;
        with_loss(model.loss, [&]<typename Loss>() {
          for (int lane = 0; lane < tile.num_rows; ++lane) {
            const float* record = records.record(tile.rows[lane]);
            double sum = 0.0;
            for (int i = 0; i < model.num_regressed(); ++i) {
              float output[Loss::kOutputs], shared[Loss::kShared > 0 ? Loss::kShared : 1] = {};
              for (int j = 0; j < Loss::kOutputs; ++j)
                output[j] = outputs[(j * D + i) * kTileRows + lane];
              for (int j = 0; j < Loss::kShared; ++j)
                shared[j] = shared_values[static_cast<std::size_t>(j * padded(D) + i)];
              sum += Loss::row(output, shared, model.maps.target(record, model.data, i), 1.0f).loss;
            }
            of_member[tile.rows[lane]] = sum / model.num_regressed();
          }
        });
      });
  return losses;
}

}  // namespace mbrl
