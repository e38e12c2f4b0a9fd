#include "kernels/stages/rollout/rollout.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/data/normalizer.h"
#include "kernels/formulas/gaussian_nll.h"
#include "kernels/formulas/squashed_gaussian.h"

namespace mbrl {

/// What the tiles of the CPU work on.
struct RolloutTiles {
  RolloutTiles(const GaussianActor& policy, const EnsembleState& model, int max_rows,
               int num_threads);

  TileMlp policy_, member_;       // per thread
  Buffer<float> state_, action_;  // [rows, S], [rows, A] of the live rows
  Buffer<std::uint32_t> row_id_;  // original row of each live row: the random coordinate
  Buffer<std::uint8_t> chosen_;   // position of the member among the elites
  Buffer<std::uint32_t> order_;   // live rows sorted by member
  Buffer<std::uint8_t> terminated_, finite_;
};

RolloutTiles::RolloutTiles(const GaussianActor& policy, const EnsembleState& model, int max_rows,
                           int num_threads)
    : policy_(policy.layout, Activation::kRelu, num_threads, false),
      member_(model.layout, Activation::kSwish, num_threads, false),
      state_(static_cast<std::size_t>(max_rows) * model.data.observation_size),
      action_(static_cast<std::size_t>(max_rows) * model.data.action_size),
      row_id_(max_rows),
      chosen_(max_rows),
      order_(max_rows),
      terminated_(max_rows),
      finite_(max_rows) {}

RolloutWorkspace::RolloutWorkspace(Stream& stream, const GaussianActor& policy,
                                   const EnsembleState& model, int max_rows) {
  if (stream.on_gpu()) {
    gpu_ = gpu::make_rollout_buffers(stream, policy, model, max_rows);
  } else {
    tiles_ = std::make_unique<RolloutTiles>(policy, model, max_rows, stream.pool().num_threads());
  }
}

RolloutWorkspace::~RolloutWorkspace() = default;

RolloutResult rollout(Stream& stream, const GaussianActor& policy, const EnsembleState& model,
                      const TransitionsView& real, const RingView& ring, const RolloutConstants& c,
                      RolloutWorkspace& workspace) {
  const TransitionLayout& layout = model.data;
  const int S = layout.observation_size, A = layout.action_size, D = model.num_outputs();
  const auto num_elites = static_cast<std::uint32_t>(model.elites.size());
  if (real.size == 0)
    throw ShapeError("rollout: the real replay is empty; there is no start state.");
  if (num_elites > kMaxRolloutElites)
    throw ShapeError("rollout: the ensemble has " + std::to_string(num_elites) +
                     " elites; expected at most " + std::to_string(kMaxRolloutElites) +
                     ". Lower model.num_elites.");
  if (ring.capacity < static_cast<std::size_t>(c.num_rows))
    throw ShapeError("rollout: the model replay holds " + std::to_string(ring.capacity) +
                     " transitions, one step writes up to " + std::to_string(c.num_rows) +
                     ". Raise rollout.retain_epochs or lower rollout.batch_size.");

  if (stream.on_gpu()) return gpu::rollout(stream, policy, model, real, ring, c, *workspace.gpu_);

  RolloutTiles& w = *workspace.tiles_;
  ThreadPool& pool = stream.pool();
  const RandomKey start_key{c.seed, purpose::kRolloutStart, c.learner};
  const RandomKey action_key{c.seed, purpose::kRolloutAction, c.learner};
  const RandomKey member_key{c.seed, purpose::kMemberChoice, c.learner};
  const RandomKey noise_key{c.seed, purpose::kModelNoise, c.learner};

  // start states
  pool.parallel_for(num_tiles(c.num_rows), [&](int tile) {
    const int end = std::min((tile + 1) * kTileRows, c.num_rows);
    for (int row = tile * kTileRows; row < end; ++row) {
      const auto id = static_cast<std::uint32_t>(row);
      const std::uint32_t bits = start_key.bits(rollout_draw_step(c.rollout_index, 0), id).x;
      const float* record = real.record(uniform_index(bits, static_cast<std::uint32_t>(real.size)));
      std::copy_n(record, S, w.state_.data() + static_cast<std::size_t>(row) * S);
      w.row_id_[row] = id;
    }
  });

  RolloutResult result;
  int live = c.num_rows;
  std::size_t head = ring.head;
  for (int step = 0; step < c.length && live > 0; ++step) {
    const std::uint64_t logical_step = rollout_draw_step(c.rollout_index, step);

    // a ~ pi(s), and the member that will answer
    pool.parallel_for(num_tiles(live), [&](int tile) {
      const int thread = ThreadPool::thread_index();
      const int begin = tile * kTileRows, rows = std::min(kTileRows, live - begin);
      float* x = w.policy_.x(0, thread);
      for (int lane = 0; lane < kTileRows; ++lane) {
        const float* s =
            w.state_.data() + static_cast<std::size_t>(begin + std::min(lane, rows - 1)) * S;
        for (int i = 0; i < S; ++i) x[i * kTileRows + lane] = s[i];
      }
      w.policy_.forward(policy.parameters.value.data(), thread);
      const float* output = w.policy_.output(thread);
      for (int i = 0; i < A; ++i) {
        alignas(64) float noise[kTileRows] = {}, action[kTileRows];
        for (int lane = 0; lane < rows; ++lane)
          noise[lane] = normal(action_key, logical_step, w.row_id_[begin + lane], i);
        for (int lane = 0; lane < kTileRows; ++lane)
          action[lane] = squashed_gaussian_action(output[i * kTileRows + lane],
                                                  output[(A + i) * kTileRows + lane], noise[lane]);
        for (int lane = 0; lane < rows; ++lane)
          w.action_[static_cast<std::size_t>(begin + lane) * A + i] = action[lane];
      }
      for (int lane = 0; lane < rows; ++lane) {
        const std::uint32_t bits = member_key.bits(logical_step, w.row_id_[begin + lane]).x;
        w.chosen_[begin + lane] = static_cast<std::uint8_t>(uniform_index(bits, num_elites));
      }
    });

    // rows of one member side by side, each group in row order
    std::uint32_t begin_of[kMaxRolloutElites + 1] = {};
    for (int row = 0; row < live; ++row) ++begin_of[w.chosen_[row] + 1];
    for (std::uint32_t e = 0; e < num_elites; ++e) begin_of[e + 1] += begin_of[e];
    std::uint32_t next[kMaxRolloutElites];
    std::copy_n(begin_of, num_elites, next);
    for (int row = 0; row < live; ++row)
      w.order_[next[w.chosen_[row]]++] = static_cast<std::uint32_t>(row);
    int first_tile[kMaxRolloutElites + 1] = {};
    for (std::uint32_t e = 0; e < num_elites; ++e)
      first_tile[e + 1] =
          first_tile[e] + num_tiles(static_cast<int>(begin_of[e + 1] - begin_of[e]));

    // s', r ~ member(s, a); end rule; record
    pool.parallel_for(first_tile[num_elites], [&](int task) {
      const int thread = ThreadPool::thread_index();
      const auto e = static_cast<int>(
          std::upper_bound(first_tile, first_tile + num_elites + 1, task) - first_tile - 1);
      const std::uint32_t begin =
          begin_of[e] + static_cast<std::uint32_t>(task - first_tile[e]) * kTileRows;
      const int rows =
          static_cast<int>(std::min<std::uint32_t>(kTileRows, begin_of[e + 1] - begin));
      const std::uint32_t* live_rows = w.order_.data() + begin;

      float* x = w.member_.x(0, thread);
      for (int lane = 0; lane < kTileRows; ++lane) {
        const std::uint32_t row = live_rows[std::min(lane, rows - 1)];
        const float* s = w.state_.data() + static_cast<std::size_t>(row) * S;
        const float* a = w.action_.data() + static_cast<std::size_t>(row) * A;
        for (int i = 0; i < S; ++i)
          x[i * kTileRows + lane] = normalize(s[i], model.input_mean[i], model.input_inv_std[i]);
        for (int i = 0; i < A; ++i)
          x[(S + i) * kTileRows + lane] =
              normalize(a[i], model.input_mean[S + i], model.input_inv_std[S + i]);
      }
      w.member_.forward(model.member(model.elites[e]), thread);

      // outputs: mean + exp(logvar / 2) noise, in place of the mean
      float* mean = w.member_.output(thread);
      const float* raw = mean + D * kTileRows;
      for (int i = 0; i < D; ++i) {
        alignas(64) float noise[kTileRows] = {};
        for (int lane = 0; lane < rows; ++lane)
          noise[lane] = normal(noise_key, logical_step, w.row_id_[live_rows[lane]], i);
        const float max_logvar = model.max_logvar()[i], min_logvar = model.min_logvar()[i];
        for (int lane = 0; lane < kTileRows; ++lane) {
          const int at = i * kTileRows + lane;
          const float deviation = exp_f(0.5f * bound_logvar(raw[at], max_logvar, min_logvar));
          mean[at] = fma_f(deviation, noise[lane], mean[at]);
        }
      }

      for (int lane = 0; lane < rows; ++lane) {
        const std::uint32_t row = live_rows[lane];
        const float* s = w.state_.data() + static_cast<std::size_t>(row) * S;
        float* record = ring.records + (head + row) % ring.capacity * layout.pitch();
        std::copy_n(s, S, record);
        std::copy_n(w.action_.data() + static_cast<std::size_t>(row) * A, A,
                    record + layout.action());
        record[layout.reward()] = mean[lane];
        float* next_observation = record + layout.next_observation();
        bool finite = std::isfinite(mean[lane]);
        for (int i = 0; i < S; ++i) {
          next_observation[i] = s[i] + mean[(1 + i) * kTileRows + lane];
          finite = finite && std::isfinite(next_observation[i]);
        }
        // padding too, so that two equal runs write equal files
        std::fill(next_observation + S, record + layout.pitch(), 0.0f);
        const bool terminated = task_terminated(c.task, c.end_bounds, next_observation);
        record[layout.terminated()] = terminated ? 1.0f : 0.0f;
        w.terminated_[row] = terminated;
        w.finite_[row] = finite;
      }
    });

    // keep the rows that go on, in order
    int kept = 0;
    for (int row = 0; row < live; ++row) {
      result.finite = result.finite && w.finite_[row];
      if (w.terminated_[row]) {
        ++result.num_terminated;
        continue;
      }
      const float* record =
          ring.records + (head + static_cast<std::size_t>(row)) % ring.capacity * layout.pitch();
      std::copy_n(record + layout.next_observation(), S,
                  w.state_.data() + static_cast<std::size_t>(kept) * S);
      w.row_id_[kept] = w.row_id_[row];
      ++kept;
    }
    head = (head + static_cast<std::size_t>(live)) % ring.capacity;
    result.num_written += static_cast<std::size_t>(live);
    ++result.num_steps;
    live = kept;
  }
  return result;
}

}  // namespace mbrl
