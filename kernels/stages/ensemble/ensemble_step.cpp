// The ensemble's training on the CPU.
#include "kernels/stages/ensemble/ensemble_step.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/not_finite.h"
#include "kernels/cpu/model_input.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/data/shapes.h"
#include "kernels/stages/check/checked_stages.h"

namespace mbrl {

void check_ensemble_loss(double loss, std::int64_t step, int member) {
  if (std::isfinite(loss)) return;
  throw DivergedError(
      "ensemble: loss " + (member < 0 ? "" : "of member " + std::to_string(member) + " ") + "is " +
      not_finite_text(loss) + " at model step " + std::to_string(step) +
      ". Lower model.learning_rate, or look at the real replay: a reward or observation "
      "may be extreme.");
}

namespace {

/// Tiles of the batch, and the phases of a step over them.
class EnsembleTiles final : public EnsembleStage {
 public:
  EnsembleTiles(const EnsembleState& state, int batch_size, int num_threads, bool bf16);

  EnsembleEpoch epoch(const EpochCall& call) override;
  void holdout_mse(const HoldoutCall& call) override;

 private:
  /// Columns [begin, begin + rows) of the rows of an epoch.
  struct Batch {
    int begin, rows;
    float weight;  // of a row and target in the loss
  };

  void refresh(ThreadPool& pool, const EnsembleState& state);
  NetworkWeights weights(const EnsembleState& state, int e) {
    return {state.member(e), bf16_of(bf16_, e)};
  }
  float step(const EpochCall& call, const Batch& batch);
  void gradients(const EpochCall& call, const Batch& batch, int task);
  template <typename Loss>
  double loss_of_tile(const EpochCall& call, const Batch& batch, int task);
  double sum_of_losses(const EpochCall& call, int num_tasks) const;
  bool has_finite_loss(int e) const;
  void update_member(const EpochCall& call, const AdamStep& adam, int e, int task);
  template <typename Loss>
  void update_shared(const EpochCall& call, int num_tasks, const AdamStep& adam);

  /// The rows of a tile; lanes after the last repeat it.
  const std::uint32_t* tile_rows(const EpochCall& call, const Batch& batch, int e, int tile) const {
    return call.rows.row(e) + batch.begin + tile * kTileRows;
  }
  float* shared_gradient(int task, int which) {
    return shared_gradient_.data() +
           (static_cast<std::size_t>(task) * num_shared_ + which) * shared_pitch_;
  }

  int num_shared_, shared_pitch_;
  int tiles_ = 0;                  // of the running batch
  std::vector<TileMlp> training_;  // per member, a workspace per tile
  TileMlp inference_;              // per thread
  Buffer<float> scratch_;          // per thread
  Buffer<float> shared_gradient_;  // [E * tiles, shared parameters, padded(D)]
  std::vector<double> partial_;    // per (member, tile)
  std::vector<Bf16Weights> bf16_;  // per member, or none
};

EnsembleTiles::EnsembleTiles(const EnsembleState& state, int batch_size, int num_threads, bool bf16)
    : num_shared_(state.num_shared()),
      shared_pitch_(padded(state.num_targets())),
      inference_(state.layout, Activation::kSwish, num_threads, false, nullptr, bf16),
      shared_gradient_(static_cast<std::size_t>(state.ensemble_size) * num_tiles(batch_size) *
                           num_shared_ * shared_pitch_,
                       0.0f),
      partial_(static_cast<std::size_t>(state.ensemble_size) * num_tiles(batch_size)),
      bf16_(make_bf16_weights(bf16, state.layout, state.ensemble_size)) {
  for (int e = 0; e < state.ensemble_size; ++e)
    training_.emplace_back(state.layout, Activation::kSwish, num_tiles(batch_size), true, nullptr,
                           bf16);
  scratch_ = Buffer<float>(num_threads * training_.front().update_scratch_size());
}

// bf16 copies of parameters that may have changed since the last call
void EnsembleTiles::refresh(ThreadPool& pool, const EnsembleState& state) {
  pool.parallel_for(static_cast<int>(bf16_.size()),
                    [&](int e) { bf16_[static_cast<std::size_t>(e)].refresh(state.member(e)); });
}

EnsembleEpoch EnsembleTiles::epoch(const EpochCall& call) {
  EnsembleEpoch epoch;
  refresh(call.stream.pool(), call.state);
  const int num_rows = call.rows.size(1);
  const auto targets = static_cast<float>(call.state.num_targets());
  for (int begin = 0; begin < num_rows; begin += call.batch_size) {
    if (call.should_stop()) {
      epoch.stopped = true;
      return epoch;
    }
    const int rows = std::min(call.batch_size, num_rows - begin);
    epoch.loss = step(call, {begin, rows, 1.0f / (static_cast<float>(rows) * targets)});
    ++epoch.steps;
  }
  return epoch;
}

// one step of all members; the loss before it
float EnsembleTiles::step(const EpochCall& call, const Batch& batch) {
  tiles_ = num_tiles(batch.rows);
  ThreadPool& pool = call.stream.pool();
  const int num_members = call.state.ensemble_size, num_tiles = num_members * tiles_;
  const AdamStep adam = adam_step_constants(call.constants.adam, call.state.num_steps + 1);

  // A thread with a member to itself updates it while its activations are in the core's cache. The
  // members that are left over are shared tile by tile, by whoever is done first
  const int num_whole = num_members - num_members % pool.num_threads();
  const int num_shared_tiles = (num_members - num_whole) * tiles_;
  pool.parallel_for(num_whole + num_shared_tiles, [&](int task) {
    if (task >= num_whole)
      return gradients(call, batch, num_whole * tiles_ + (task - num_whole));
    const int e = task;
    for (int tile = 0; tile < tiles_; ++tile) gradients(call, batch, e * tiles_ + tile);
    if (!has_finite_loss(e)) return;
    for (int i = 0; i < training_[e].num_update_tasks(); ++i) update_member(call, adam, e, i);
  });
  const double loss = sum_of_losses(call, num_tiles) * batch.weight;
  ++call.state.num_steps;
  const int per_member = training_[0].num_update_tasks();
  pool.parallel_for((num_members - num_whole) * per_member, [&](int task) {
    update_member(call, adam, num_whole + task / per_member, task % per_member);
  });
  with_loss(call.state.loss, [&]<typename Loss>() { update_shared<Loss>(call, num_tiles, adam); });
  return static_cast<float>(loss);
}

bool EnsembleTiles::has_finite_loss(int e) const {
  const auto first = partial_.begin() + e * tiles_;
  return std::all_of(first, first + tiles_, [](double loss) { return std::isfinite(loss); });
}

// loss and gradients of a (member, tile)
void EnsembleTiles::gradients(const EpochCall& call, const Batch& batch, int task) {
  const int e = task / tiles_, tile = task % tiles_;
  const EnsembleState& state = call.state;
  TileMlp& member = training_[e];
  gather_model_input(state.maps, call.data, tile_rows(call, batch, e, tile),
                     std::min(kTileRows, batch.rows - tile * kTileRows), state.input_mean.data(),
                     state.input_inv_std.data(), member.x(0, tile));
  if (tile + 1 < tiles_)
    expect_records(call.data, tile_rows(call, batch, e, tile + 1),
                   std::min(kTileRows, batch.rows - (tile + 1) * kTileRows));
  member.forward(weights(state, e), tile);
  partial_[task] =
      with_loss(state.loss, [&]<typename Loss>() { return loss_of_tile<Loss>(call, batch, task); });
  member.backward(weights(state, e), tile);
}

/// One target of a tile. Plain arrays, none of which overlaps another: only so does the compiler work
/// on vectors of lanes, and a loss by single numbers was a fourteenth of a step.
template <typename Loss>
struct LaneLosses {
  static constexpr int kShared = Loss::kShared > 0 ? Loss::kShared : 1;  // no array is empty

  const float* output;  // of each kind, `pitch` apart
  float* gradient;
  int pitch;
  const float *target, *weight;
  float (*shared_part)[kTileRows];
  float* loss_part;

  /// row_of(outputs, target, weight) of each lane.
  template <typename RowOf>
  void fill(RowOf row_of) const {
    const float* __restrict from = output;
    float* __restrict to = gradient, * __restrict losses = loss_part;
    float(*__restrict shared)[kTileRows] = shared_part;
    for (int lane = 0; lane < kTileRows; ++lane) {
      float outputs[Loss::kOutputs];
      for (int j = 0; j < Loss::kOutputs; ++j) outputs[j] = from[j * pitch + lane];
      const auto row = row_of(outputs, target[lane], weight[lane]);
      for (int j = 0; j < Loss::kOutputs; ++j) to[j * pitch + lane] = row.d_output[j];
      for (int which = 0; which < Loss::kShared; ++which) shared[which][lane] = row.d_shared[which];
      losses[lane] = row.loss;
    }
  }
};

template <typename Loss>
double EnsembleTiles::loss_of_tile(const EpochCall& call, const Batch& batch, int task) {
  constexpr int kShared = Loss::kShared > 0 ? Loss::kShared : 1;  // no array is empty
  const int e = task / tiles_, tile = task % tiles_;
  const int rows = std::min(kTileRows, batch.rows - tile * kTileRows);
  const std::uint32_t* indices = tile_rows(call, batch, e, tile);
  const EnsembleState& state = call.state;
  const int D = state.num_targets();
  const float* output = training_[e].output(tile);
  float* gradient = training_[e].output_gradient(tile);
  alignas(64) float weight[kTileRows];
  for (int lane = 0; lane < kTileRows; ++lane) weight[lane] = lane < rows ? batch.weight : 0.0f;
  double loss = 0.0;
  for (int i = 0; i < D; ++i) {
    alignas(64) float target[kTileRows], loss_part[kTileRows], shared_part[kShared][kTileRows];
    for (int lane = 0; lane < kTileRows; ++lane)
      target[lane] = state.maps.target(call.data.record(indices[std::min(lane, rows - 1)]),
                                       call.data.layout, i);
    float shared[kShared] = {};
    for (int which = 0; which < Loss::kShared; ++which) shared[which] = state.shared(which)[i];
    const LaneLosses<Loss> lanes{output + i * kTileRows,
                                 gradient + i * kTileRows,
                                 D * kTileRows,
                                 target,
                                 weight,
                                 shared_part,
                                 loss_part};
    if (i < state.num_regressed())
      lanes.fill([&](const float* outputs, float wanted, float row_weight) {
        return Loss::row(outputs, shared, wanted, row_weight);
      });
    else
      lanes.fill([&](const float* outputs, float wanted, float row_weight) {
        return end_row<Loss>(outputs[0], wanted, row_weight, call.constants.end_weights);
      });
    std::fill(loss_part + rows, loss_part + kTileRows, 0.0f);
    float sum_loss = 0.0f, sum_shared[kShared] = {};
    for (int lane = 0; lane < kTileRows; ++lane) {
      for (int which = 0; which < Loss::kShared; ++which)
        sum_shared[which] += shared_part[which][lane];
      sum_loss += loss_part[lane];
    }
    for (int which = 0; which < Loss::kShared; ++which)
      shared_gradient(task, which)[i] = sum_shared[which];
    loss += sum_loss;
  }
  return loss;
}

double EnsembleTiles::sum_of_losses(const EpochCall& call, int num_tasks) const {
  double loss = 0.0;
  for (int task = 0; task < num_tasks; ++task) {
    check_ensemble_loss(partial_[task], call.state.num_steps, task / tiles_);
    loss += partial_[task];
  }
  return loss;
}

void EnsembleTiles::update_member(const EpochCall& call, const AdamStep& adam, int e, int task) {
  const std::size_t offset = e * call.state.layout.size;
  TrainedParameters& p = call.state.members;
  training_[e].update(
      task, tiles_,
      {.value = p.value.data() + offset,
       .m = p.m.data() + offset,
       .v = p.v.data() + offset,
       .layer_decay = call.constants.weight_decay.data(),
       .adam = adam,
       .bf16 = bf16_of(bf16_, e)},
      scratch_.data() + ThreadPool::thread_index() * training_[e].update_scratch_size());
}

// all members and tiles add up, in order
template <typename Loss>
void EnsembleTiles::update_shared(const EpochCall& call, int num_tasks, const AdamStep& adam) {
  TrainedParameters& p = call.state.logvar_bounds;
  for (int which = 0; which < Loss::kShared; ++which)
    for (int i = 0; i < call.state.num_regressed(); ++i) {
      float gradient = Loss::shared_gradient(which, call.constants.logvar_penalty);
      for (int task = 0; task < num_tasks; ++task) gradient += shared_gradient(task, which)[i];
      const int at = which * shared_pitch_ + i;
      adam_update(p.value[at], p.m[at], p.v[at], gradient, adam);
    }
}

void EnsembleTiles::holdout_mse(const HoldoutCall& call) {
  const EnsembleState& state = call.state;
  const TransitionsView& data = call.data;
  const int E = state.ensemble_size, D = state.num_targets(), rows = call.indices.size();
  const int regressed = state.num_regressed();
  const int tiles = num_tiles(rows);
  if (partial_.size() < static_cast<std::size_t>(E) * tiles)
    partial_.resize(static_cast<std::size_t>(E) * tiles);
  refresh(call.stream.pool(), state);

  call.stream.pool().parallel_for(E * tiles, [&](int task) {
    const int e = task / tiles, tile = task % tiles;
    const int tile_rows = std::min(kTileRows, rows - tile * kTileRows);
    const std::uint32_t* indices = call.indices.data + tile * kTileRows;
    const int thread = ThreadPool::thread_index();
    gather_model_input(state.maps, data, indices, tile_rows, state.input_mean.data(),
                       state.input_inv_std.data(), inference_.x(0, thread));
    inference_.forward(weights(state, e), thread);
    const float* predicted = inference_.output(thread);
    double sum = 0.0;
    for (int lane = 0; lane < tile_rows; ++lane) {
      const float* record = data.record(indices[lane]);
      for (int i = 0; i < regressed; ++i)
        sum += squared_error(predicted[i * kTileRows + lane],
                             state.maps.target(record, data.layout, i));
    }
    partial_[task] = sum;
    if (call.end_logit.data != nullptr)
      std::copy_n(predicted + (D - 1) * kTileRows, tile_rows,
                  call.end_logit.row(e) + tile * kTileRows);
  });
  for (int e = 0; e < E; ++e) {
    double sum = 0.0;
    for (int tile = 0; tile < tiles; ++tile) sum += partial_[e * tiles + tile];
    call.mse[e] = sum / (static_cast<double>(rows) * regressed);
  }
}

}  // namespace

EnsembleWorkspace::EnsembleWorkspace(Stream& stream, const EnsembleState& state, int batch_size,
                                     const Gemm& gemm) {
  if (stream.on_gpu()) {
    stage_ = gpu::make_ensemble_stage(stream, state, batch_size, gemm);
    if (stream.check() != nullptr)
      stage_ = checked::ensemble_stage(stream, std::move(stage_), state, batch_size);
  } else {
    stage_ = std::make_unique<EnsembleTiles>(state, batch_size, stream.pool().num_threads(),
                                             multiplies_bf16(stream));
  }
}

EnsembleEpoch ensemble_epoch(Stream& stream, EnsembleState& state, const TransitionsView& data,
                             Matrix<const std::uint32_t> rows, int batch_size,
                             const EnsembleConstants& constants, EnsembleWorkspace& workspace,
                             const std::function<bool()>& should_stop) {
  return workspace.stage().epoch({stream, state, data, rows, batch_size, constants, should_stop});
}

void ensemble_holdout_mse(Stream& stream, const EnsembleState& state, const TransitionsView& data,
                          Vector<const std::uint32_t> indices, std::span<double> mse,
                          EnsembleWorkspace& workspace, Matrix<float> end_logit) {
  if (end_logit.data != nullptr) {
    if (state.maps.end != EndTarget::kLogit)
      throw ShapeError("ensemble_holdout_mse: the model predicts no logit of an end.");
    check_shape("ensemble_holdout_mse", {"end_logit", end_logit},
                {state.ensemble_size, indices.size()}, "one per member and row");
  }
  workspace.stage().holdout_mse({stream, state, data, indices, mse, end_logit});
}

}  // namespace mbrl
