#include "kernels/stages/ensemble/ensemble_step.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/not_finite.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/data/normalizer.h"
#include "kernels/formulas/gaussian_nll.h"
#include "kernels/networks/initialize.h"

namespace mbrl {
namespace {

std::vector<int> member_widths(const TransitionLayout& data, int hidden_size,
                               int num_hidden_layers) {
  std::vector<int> widths{data.observation_size + data.action_size};
  widths.insert(widths.end(), num_hidden_layers, hidden_size);
  widths.push_back(2 * (1 + data.observation_size));
  return widths;
}

}  // namespace

EnsembleState::EnsembleState(int size, TransitionLayout transition, int hidden_size,
                             int num_hidden_layers, Memory memory)
    : ensemble_size(size),
      data(transition),
      layout(make_mlp_layout(member_widths(transition, hidden_size, num_hidden_layers))),
      members(size * layout.size, memory),
      logvar_bounds(2 * padded(1 + transition.observation_size), memory),
      input_mean(num_inputs(), 0.0f, memory, "input scaler"),
      input_inv_std(num_inputs(), 1.0f, memory, "input scaler") {}

void init_ensemble(EnsembleState& state, std::uint32_t seed, std::uint32_t learner,
                   float init_max_logvar, float init_min_logvar) {
  const RandomKey key{seed, purpose::kInit, learner};
  for (int e = 0; e < state.ensemble_size; ++e)
    init_truncated_normal(state.layout, state.member(e), key,
                          static_cast<InitNetwork>(static_cast<int>(InitNetwork::kMember0) + e));
  std::vector<float> bounds(state.logvar_bounds.value.size(), 0.0f);
  std::fill_n(bounds.begin(), state.num_outputs(), init_max_logvar);
  std::fill_n(bounds.begin() + padded(state.num_outputs()), state.num_outputs(), init_min_logvar);
  from_host(state.logvar_bounds.value, bounds);
  state.elites.clear();
  for (int e = 0; e < state.ensemble_size; ++e) state.elites.push_back(e);
}

/// What the tiles of the CPU work on.
struct EnsembleTiles {
  EnsembleTiles(const EnsembleState& state, int batch_size, int num_threads);

  int num_tiles_;
  std::vector<TileMlp> training_;  // per member, a workspace per tile
  TileMlp inference_;              // per thread
  Buffer<float> scratch_;          // per thread
  Buffer<float> bound_gradient_;   // [E * tiles, 2, padded(D)]
  std::vector<double> partial_;    // per (member, tile)
};

EnsembleTiles::EnsembleTiles(const EnsembleState& state, int batch_size, int num_threads)
    : num_tiles_(mbrl::num_tiles(batch_size)),
      inference_(state.layout, Activation::kSwish, num_threads, false),
      bound_gradient_(static_cast<std::size_t>(state.ensemble_size) * num_tiles_ * 2 *
                          padded(state.num_outputs()),
                      0.0f),
      partial_(static_cast<std::size_t>(state.ensemble_size) * num_tiles_) {
  for (int e = 0; e < state.ensemble_size; ++e)
    training_.emplace_back(state.layout, Activation::kSwish, num_tiles_, true);
  scratch_ = Buffer<float>(num_threads * training_.front().update_scratch_size());
}

EnsembleWorkspace::EnsembleWorkspace(Stream& stream, const EnsembleState& state, int batch_size,
                                     const Gemm& gemm) {
  if (stream.on_gpu()) {
    gpu_ = gpu::make_ensemble_buffers(stream, state, batch_size, gemm);
  } else {
    tiles_ = std::make_unique<EnsembleTiles>(state, batch_size, stream.pool().num_threads());
  }
}

EnsembleWorkspace::~EnsembleWorkspace() = default;

void check_ensemble_loss(double loss, std::int64_t step, int member) {
  if (std::isfinite(loss)) return;
  throw DivergedError(
      "ensemble: loss " + (member < 0 ? "" : "of member " + std::to_string(member) + " ") + "is " +
      not_finite_text(loss) + " at model step " + std::to_string(step) +
      ". Lower model.learning_rate, or look at the real replay: a reward or observation "
      "may be extreme.");
}

namespace {

// one tile of a member's input [S + A, 32], scaled: row `lane` is records[indices[lane]]; lanes
// from `rows` on repeat the last row
void gather_model_input(const EnsembleState& state, const TransitionsView& data,
                        const std::uint32_t* indices, int rows, float* x) {
  const int inputs = state.num_inputs();
  for (int lane = 0; lane < kTileRows; ++lane) {
    // observation and action lie side by side at the start of a record
    const float* record = data.record(indices[std::min(lane, rows - 1)]);
    for (int i = 0; i < inputs; ++i)
      x[i * kTileRows + lane] = normalize(record[i], state.input_mean[i], state.input_inv_std[i]);
  }
}

// one step of all members on columns [begin, begin + batch_size) of rows
float ensemble_step(Stream& stream, EnsembleState& state, const TransitionsView& data,
                    Matrix<const std::uint32_t> rows_of_members, int begin, int batch_size,
                    const EnsembleConstants& constants, EnsembleTiles& w) {
  const int E = state.ensemble_size;
  const int D = state.num_outputs();
  const int tiles = num_tiles(batch_size);
  const int bound_pitch = padded(D);
  ThreadPool& pool = stream.pool();

  // loss and gradients of every (member, tile)
  const float scale = 1.0f / (static_cast<float>(batch_size) * static_cast<float>(D));
  pool.parallel_for(E * tiles, [&](int task) {
    const int e = task / tiles, tile = task % tiles;
    const int rows = std::min(kTileRows, batch_size - tile * kTileRows);
    const std::uint32_t* tile_indices = rows_of_members.row(e) + begin + tile * kTileRows;
    TileMlp& member = w.training_[e];
    gather_model_input(state, data, tile_indices, rows, member.x(0, tile));
    member.forward(state.member(e), tile);

    const float* mean = member.output(tile);
    const float* raw = mean + D * kTileRows;
    float* d_mean = member.output_gradient(tile);
    float* d_raw = d_mean + D * kTileRows;
    float* d_max = w.bound_gradient_.data() + static_cast<std::size_t>(task) * 2 * bound_pitch;
    float* d_min = d_max + bound_pitch;
    double loss = 0.0;
    for (int i = 0; i < D; ++i) {
      alignas(64) float target[kTileRows], max_part[kTileRows], min_part[kTileRows],
          loss_part[kTileRows];
      for (int lane = 0; lane < kTileRows; ++lane)
        target[lane] =
            model_target(data.record(tile_indices[std::min(lane, rows - 1)]), data.layout, i);
      const float max_logvar = state.max_logvar()[i], min_logvar = state.min_logvar()[i];
      for (int lane = 0; lane < kTileRows; ++lane) {
        const int at = i * kTileRows + lane;
        const BoundedLogvar lv = bound_logvar_with_gradient(raw[at], max_logvar, min_logvar);
        const NllTerm term = gaussian_nll_term(mean[at], lv.value, target[lane]);
        const float weight = lane < rows ? scale : 0.0f;
        d_mean[at] = weight * term.d_mean;
        d_raw[at] = weight * term.d_logvar * lv.d_raw;
        max_part[lane] = weight * term.d_logvar * lv.d_max;
        min_part[lane] = weight * term.d_logvar * lv.d_min;
        loss_part[lane] = lane < rows ? term.loss : 0.0f;
      }
      float sum_max = 0.0f, sum_min = 0.0f, sum_loss = 0.0f;
      for (int lane = 0; lane < kTileRows; ++lane) {
        sum_max += max_part[lane];
        sum_min += min_part[lane];
        sum_loss += loss_part[lane];
      }
      d_max[i] = sum_max;
      d_min[i] = sum_min;
      loss += sum_loss;
    }
    w.partial_[task] = loss;
    member.backward(state.member(e), tile);
  });

  double loss = 0.0;
  for (int task = 0; task < E * tiles; ++task) {
    check_ensemble_loss(w.partial_[task], state.num_steps, task / tiles);
    loss += w.partial_[task];
  }
  loss *= scale;

  // weights
  const AdamStep adam = adam_step_constants(constants.adam, ++state.num_steps);
  const int per_member = w.training_[0].num_update_tasks();
  pool.parallel_for(E * per_member, [&](int task) {
    const int e = task / per_member;
    const std::size_t offset = e * state.layout.size;
    TrainedParameters& p = state.members;
    w.training_[e].update(
        task % per_member, tiles,
        {p.value.data() + offset, p.m.data() + offset, p.v.data() + offset, nullptr, 0.0f,
         constants.weight_decay.data(), adam},
        w.scratch_.data() + ThreadPool::thread_index() * w.training_[e].update_scratch_size());
  });

  // bounds: shared, so all members and tiles add up, in order; the penalty pulls them together
  for (int which = 0; which < 2; ++which) {
    const float penalty = which == 0 ? constants.logvar_penalty : -constants.logvar_penalty;
    for (int i = 0; i < D; ++i) {
      const int at = which * bound_pitch + i;
      float gradient = penalty;
      for (int task = 0; task < E * tiles; ++task)
        gradient += w.bound_gradient_[static_cast<std::size_t>(task) * 2 * bound_pitch + at];
      TrainedParameters& p = state.logvar_bounds;
      adam_update(p.value[at], p.m[at], p.v[at], gradient, adam);
    }
  }
  return static_cast<float>(loss);
}

}  // namespace

EnsembleEpoch ensemble_epoch(Stream& stream, EnsembleState& state, const TransitionsView& data,
                             Matrix<const std::uint32_t> rows, int batch_size,
                             const EnsembleConstants& constants, EnsembleWorkspace& workspace,
                             const std::function<bool()>& should_stop) {
  if (stream.on_gpu())
    return gpu::ensemble_epoch(stream, state, data, rows, batch_size, constants, *workspace.gpu_,
                               should_stop);
  EnsembleEpoch epoch;
  for (int begin = 0; begin < rows.size(1); begin += batch_size) {
    if (should_stop()) {
      epoch.stopped = true;
      return epoch;
    }
    epoch.loss =
        ensemble_step(stream, state, data, rows, begin, std::min(batch_size, rows.size(1) - begin),
                      constants, *workspace.tiles_);
    ++epoch.steps;
  }
  return epoch;
}

void ensemble_holdout_mse(Stream& stream, const EnsembleState& state, const TransitionsView& data,
                          Vector<const std::uint32_t> indices, std::span<double> mse,
                          EnsembleWorkspace& workspace) {
  if (stream.on_gpu())
    return gpu::ensemble_holdout_mse(stream, state, data, indices, mse, *workspace.gpu_);
  EnsembleTiles& w = *workspace.tiles_;
  const int E = state.ensemble_size;
  const int D = state.num_outputs();
  const int rows = indices.size();
  const int tiles = num_tiles(rows);
  if (w.partial_.size() < static_cast<std::size_t>(E) * tiles)
    w.partial_.resize(static_cast<std::size_t>(E) * tiles);

  stream.pool().parallel_for(E * tiles, [&](int task) {
    const int e = task / tiles, tile = task % tiles;
    const int tile_rows = std::min(kTileRows, rows - tile * kTileRows);
    const std::uint32_t* tile_indices = indices.data + tile * kTileRows;
    const int thread = ThreadPool::thread_index();
    gather_model_input(state, data, tile_indices, tile_rows, w.inference_.x(0, thread));
    w.inference_.forward(state.member(e), thread);
    const float* mean = w.inference_.output(thread);
    double sum = 0.0;
    for (int lane = 0; lane < tile_rows; ++lane) {
      const float* record = data.record(tile_indices[lane]);
      for (int i = 0; i < D; ++i) {
        const float error = mean[i * kTileRows + lane] - model_target(record, data.layout, i);
        sum += static_cast<double>(error) * error;
      }
    }
    w.partial_[task] = sum;
  });
  for (int e = 0; e < E; ++e) {
    double sum = 0.0;
    for (int tile = 0; tile < tiles; ++tile) sum += w.partial_[e * tiles + tile];
    mse[e] = sum / (static_cast<double>(rows) * D);
  }
}

}  // namespace mbrl
