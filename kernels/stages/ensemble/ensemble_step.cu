// The ensemble on the GPU: two kernels per gradient step of all members, recorded 16 steps to a
// graph, and one kernel for the holdout sweep.
//
//   ensemble_rows     per (row tile, member): gather, scale, forward, Gaussian NLL, backward
//   ensemble_update   per (weight tile, member): gradient, decay, Adam
//                     one more block: log-variance bounds and the loss
//
// Where a library multiplies, ensemble_layers.cu takes their place.
#include <algorithm>
#include <cstddef>

#include "base/error.h"
#include "cuda/graph.h"
#include "cuda/kernel.cuh"
#include "kernels/data/normalizer.h"
#include "kernels/gpu/dispatch.cuh"
#include "kernels/gpu/network_update.cuh"
#include "kernels/stages/ensemble/ensemble_arrays.cuh"
#include "kernels/stages/ensemble/ensemble_layers.h"

namespace mbrl::gpu {
namespace {

// the scaled input of a tile of records
template <typename Mlp, typename Record>
__device__ void load_model_input(Mlp& mlp, const EnsembleArrays& a, float* saved, Record record) {
  const int width = a.mlp.layer[0].in_pitch, inputs = a.S + a.A;
  for (int i = static_cast<int>(threadIdx.x); i < kModelRows * width; i += kBlockThreads) {
    const int row = i / width, column = i % width;
    const float x = column < inputs ? normalize(record(row)[column], a.input_mean[column],
                                                a.input_inv_std[column])
                                    : 0.0f;
    mlp.tile()[row * mlp.pitch() + column] = x;
    if (saved != nullptr) saved[i] = x;
  }
  sync_block();
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    ensemble_rows_kernel(const __grid_constant__ EnsembleArrays a, int step_in_graph) {
  if (lacks_format<kPrecision>()) return;
  const int step = a.plan->first_step + step_in_graph;
  const int batch = a.batch_rows(step);
  const int tile = static_cast<int>(blockIdx.x), e = static_cast<int>(blockIdx.y);
  const int first = tile * kModelRows;
  if (first >= batch) return;
  const int rows = batch - first < kModelRows ? batch - first : kModelRows;
  const std::uint32_t* indices = a.batch_indices(step, e) + first;
  const auto record = [&](int row) {
    return a.plan->data.record(indices[row < rows ? row : rows - 1]);
  };

  const auto parameters = stored<kPrecision>(a.member(e).value, a.member(e).narrow);
  const Saved saved = a.saved_of(e);
  BlockMlp<kPrecision, kModelRows> mlp(shared_floats(), a.pitch);
  load_model_input(mlp, a, saved.x(0, first), record);
  mlp.forward(a.mlp, parameters, Activation::kSwish, &saved, first);

  nll_tile(a, e, tile, batch, mlp.tile(), mlp.pitch(), saved.dz(a.mlp.num_layers - 1, first),
           shared_floats() + 2 * kModelRows * a.pitch, record);
  sync_block();
  mlp.template backward<false>(a.mlp, parameters, Activation::kSwish, saved, first);
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    ensemble_update_kernel(const __grid_constant__ EnsembleArrays a,
                           const __grid_constant__ UpdateTable table, int step_in_graph,
                           float* losses) {
  if (lacks_format<kPrecision>()) return;
  const int step = a.plan->first_step + step_in_graph;
  const int batch = a.batch_rows(step);
  if (batch == 0) return;
  const int block = static_cast<int>(blockIdx.x), e = static_cast<int>(blockIdx.y);
  const AdamStep adam = a.adam[step];
  if (block == table.num_blocks()) {
    if (e == 0) update_bounds(a, adam, batch, losses + step);
    return;
  }
  const NetworkArrays member = a.member(e);
  update_network<kPrecision>(shared_floats(), table, a.saved_of(e), {member, adam, 0.0f}, block,
                             batch);
}

__global__ void ensemble_advance_kernel(EpochPlan* plan) { plan->first_step += kStepsPerGraph; }

// squared errors of a tile of holdout rows, summed per row, then over rows
template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    ensemble_holdout_kernel(const __grid_constant__ EnsembleArrays a,
                            const __grid_constant__ TransitionsView data,
                            const std::uint32_t* indices, int num_rows, double* sums) {
  if (lacks_format<kPrecision>()) return;
  const int first = static_cast<int>(blockIdx.x) * kModelRows, e = static_cast<int>(blockIdx.y);
  const int rows = num_rows - first < kModelRows ? num_rows - first : kModelRows;
  const auto record = [&](int row) {
    return data.record(indices[first + (row < rows ? row : rows - 1)]);
  };
  BlockMlp<kPrecision, kModelRows> mlp(shared_floats(), a.pitch);
  load_model_input(mlp, a, nullptr, record);
  mlp.forward(a.mlp, stored<kPrecision>(a.member(e).value, a.member(e).narrow), Activation::kSwish,
              nullptr, 0);

  if (threadIdx.x >= 32) return;
  double sum = 0.0;
  for (int i = static_cast<int>(threadIdx.x); i < rows * a.D; i += 32) {
    const int row = i / a.D, k = i % a.D;
    const float error =
        mlp.tile()[row * mlp.pitch() + k] - model_target(record(row), data.layout, k);
    sum += static_cast<double>(error) * error;
  }
  for (int mask = 16; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
  if (threadIdx.x == 0) sums[e * gridDim.x + blockIdx.x] = sum;
}

}  // namespace

/// Device arrays of the stage, and the graph recorded over them.
class EnsembleBuffers {
 public:
  EnsembleBuffers(const Stream& stream, const EnsembleState& state, int batch_size,
                  const Gemm& gemm);

  EnsembleEpoch epoch(Stream& stream, EnsembleState& state, const TransitionsView& data,
                      Matrix<const std::uint32_t> rows, int batch_size,
                      const EnsembleConstants& constants, const std::function<bool()>& should_stop);
  void holdout_mse(Stream& stream, const EnsembleState& state, const TransitionsView& data,
                   Vector<const std::uint32_t> indices, std::span<double> mse);

 private:
  void bind(const EnsembleState& state);
  template <Precision kPrecision>
  void narrow(Stream& stream) {
    launch_narrow<kPrecision>(stream, {{arrays_.value, arrays_.narrow,
                                        static_cast<std::size_t>(arrays_.E) * arrays_.size}});
  }
  void reserve(std::size_t num_steps);
  std::size_t shared_bytes() const {
    return (2 * kModelRows * static_cast<std::size_t>(arrays_.pitch) +
            3 * kModelRows * static_cast<std::size_t>(arrays_.D)) *
           sizeof(float);
  }

  int max_batch_;
  Buffer<float> saved_, bound_gradient_;
  Buffer<std::uint16_t> narrow_;
  Buffer<double> loss_;
  EnsembleArrays arrays_{};
  UpdateTable table_;
  Buffer<std::byte> plan_, plan_on_device_;
  Buffer<float> losses_;         // pinned, per step
  Buffer<double> holdout_sums_;  // pinned
  Graph graph_;
  std::unique_ptr<EnsembleLayers> layers_;  // where a library multiplies
};

EnsembleBuffers::EnsembleBuffers(const Stream& stream, const EnsembleState& state, int batch_size,
                                 const Gemm& gemm)
    : max_batch_(batch_size), table_(make_update_table(make_table(state.layout))) {
  EnsembleArrays& a = arrays_;
  a.mlp = make_table(state.layout);
  a.saved_layout = make_saved_layout(state.layout, num_tiles(batch_size) * kTileRows);
  narrow_ = narrow_buffer(stream, state.members.value.size(), "narrow ensemble weights");
  a.narrow = narrow_.data();
  saved_ = Buffer<float>(state.ensemble_size * a.saved_layout.size, 0.0f, Memory::kDevice,
                         "ensemble activations");
  a.saved = saved_.data();
  a.size = state.layout.size;
  a.E = state.ensemble_size;
  a.S = state.data.observation_size;
  a.A = state.data.action_size;
  a.D = state.num_outputs();
  a.bound_pitch = padded(a.D);
  a.pitch = shared_pitch(widest(a.mlp));
  a.num_tiles = (batch_size + kModelRows - 1) / kModelRows;
  const auto tasks = static_cast<std::size_t>(a.E) * static_cast<std::size_t>(a.num_tiles);
  bound_gradient_ = Buffer<float>(tasks * 2 * static_cast<std::size_t>(a.bound_pitch), 0.0f,
                                  Memory::kDevice, "log-variance gradients");
  loss_ = Buffer<double>(tasks, 0.0, Memory::kDevice, "ensemble loss");
  a.bound_gradient = bound_gradient_.data();
  a.loss = loss_.data();
  if (!gemm.fused()) layers_ = std::make_unique<EnsembleLayers>(state, batch_size, gemm);
}

void EnsembleBuffers::bind(const EnsembleState& state) {
  EnsembleArrays& a = arrays_;
  // the state is the caller's to change; buffers are plain memory
  const auto pointer = [](const Buffer<float>& buffer) {
    return const_cast<float*>(buffer.data());
  };
  const EnsembleArrays before = a;
  a.value = pointer(state.members.value);
  a.m = pointer(state.members.m);
  a.v = pointer(state.members.v);
  a.bounds = pointer(state.logvar_bounds.value);
  a.bounds_m = pointer(state.logvar_bounds.m);
  a.bounds_v = pointer(state.logvar_bounds.v);
  a.input_mean = state.input_mean.data();
  a.input_inv_std = state.input_inv_std.data();
  if (a.borrowed() != before.borrowed()) graph_ = Graph();
}

// room for the steps of the longest epoch seen, and half as many again
void EnsembleBuffers::reserve(std::size_t num_steps) {
  if (num_steps <= losses_.size()) return;
  graph_ = Graph();
  const std::size_t steps = num_steps + num_steps / 2;
  const std::size_t bytes = sizeof(EpochPlan) + steps * sizeof(AdamStep);
  plan_ = Buffer<std::byte>(bytes, Memory::kPinned, "ensemble plan");
  plan_on_device_ = Buffer<std::byte>(bytes, Memory::kDevice, "ensemble plan");
  losses_ = Buffer<float>(steps, Memory::kPinned, "ensemble losses");
  arrays_.plan = reinterpret_cast<EpochPlan*>(plan_on_device_.data());
  arrays_.adam = reinterpret_cast<const AdamStep*>(plan_on_device_.data() + sizeof(EpochPlan));
}

EnsembleEpoch EnsembleBuffers::epoch(Stream& stream, EnsembleState& state,
                                     const TransitionsView& data, Matrix<const std::uint32_t> rows,
                                     int batch_size, const EnsembleConstants& constants,
                                     const std::function<bool()>& should_stop) {
  if (batch_size > max_batch_) throw ShapeError("ensemble_epoch: batch above the workspace's.");
  const int num_steps = (rows.size(1) + batch_size - 1) / batch_size;
  reserve(static_cast<std::size_t>(num_steps));
  bind(state);
  bool same = arrays_.logvar_penalty == constants.logvar_penalty;
  for (int i = 0; i < table_.mlp.num_layers; ++i) {
    same = same && table_.decay[i] == constants.weight_decay[static_cast<std::size_t>(i)];
    table_.decay[i] = constants.weight_decay[static_cast<std::size_t>(i)];
  }
  arrays_.logvar_penalty = constants.logvar_penalty;
  if (!same) graph_ = Graph();

  auto& plan = *reinterpret_cast<EpochPlan*>(plan_.data());
  plan = {data, rows.data, rows.size(1), batch_size, num_steps, 0};
  auto* adam = reinterpret_cast<AdamStep*>(plan_.data() + sizeof(EpochPlan));
  for (int i = 0; i < num_steps; ++i)
    adam[i] = adam_step_constants(constants.adam, state.num_steps + 1 + i);
  copy_async(plan_on_device_.data(), plan_.data(),
             sizeof(EpochPlan) + static_cast<std::size_t>(num_steps) * sizeof(AdamStep),
             stream.handle());

  if (layers_ == nullptr)  // layers read fp32
    with_precision(stream, [&]<Precision kPrecision>() { narrow<kPrecision>(stream); });

  EnsembleEpoch result;
  const auto E = static_cast<unsigned>(arrays_.E);
  for (int first = 0; first < num_steps && !result.stopped; first += kStepsPerGraph) {
    if (should_stop()) {
      result.stopped = true;
      break;
    }
    graph_.run(stream, [&] {
      with_precision(stream, [&]<Precision kPrecision>() {
        for (int i = 0; i < kStepsPerGraph; ++i) {
          if (layers_ != nullptr) {
            layers_->issue(stream, arrays_, table_.decay, i, losses_.data());
            continue;
          }
          launch(stream, "ensemble_rows", ensemble_rows_kernel<kPrecision>,
                 {{static_cast<unsigned>(arrays_.num_tiles), E, 1}, kBlockThreads, shared_bytes()},
                 arrays_, i);
          launch(stream, "ensemble_update", ensemble_update_kernel<kPrecision>,
                 {{static_cast<unsigned>(table_.num_blocks() + 1), E, 1},
                  kBlockThreads,
                  kUpdateSharedBytes},
                 arrays_, table_, i, losses_.data());
        }
        launch(stream, "ensemble_advance", ensemble_advance_kernel, {{1, 1, 1}, 1, 0},
               arrays_.plan);
      });
    });
    result.steps = std::min(first + kStepsPerGraph, num_steps);
  }
  stream.synchronize();
  for (std::int64_t i = 0; i < result.steps; ++i)
    check_ensemble_loss(losses_[static_cast<std::size_t>(i)], state.num_steps + i);
  state.num_steps += result.steps;
  if (result.steps > 0) result.loss = losses_[static_cast<std::size_t>(result.steps - 1)];
  return result;
}

void EnsembleBuffers::holdout_mse(Stream& stream, const EnsembleState& state,
                                  const TransitionsView& data, Vector<const std::uint32_t> indices,
                                  std::span<double> mse) {
  bind(state);
  const int rows = indices.size();
  const auto tiles = static_cast<std::size_t>((rows + kModelRows - 1) / kModelRows);
  const std::size_t size = static_cast<std::size_t>(arrays_.E) * tiles;
  if (holdout_sums_.size() < size) holdout_sums_ = Buffer<double>(size, Memory::kPinned, "holdout");
  with_precision(stream, [&]<Precision kPrecision>() {
    narrow<kPrecision>(stream);
    launch(stream, "ensemble_holdout", ensemble_holdout_kernel<kPrecision>,
           {{static_cast<unsigned>(tiles), static_cast<unsigned>(arrays_.E), 1},
            kBlockThreads,
            shared_bytes()},
           arrays_, data, indices.data, rows, holdout_sums_.data());
  });
  stream.synchronize();
  for (std::size_t e = 0; e < mse.size(); ++e) {
    double sum = 0.0;
    for (std::size_t tile = 0; tile < tiles; ++tile) sum += holdout_sums_[e * tiles + tile];
    mse[e] = sum / (static_cast<double>(rows) * arrays_.D);
  }
}

std::shared_ptr<EnsembleBuffers> make_ensemble_buffers(Stream& stream, const EnsembleState& state,
                                                       int batch_size, const Gemm& gemm) {
  return std::make_shared<EnsembleBuffers>(stream, state, batch_size, gemm);
}

EnsembleEpoch ensemble_epoch(Stream& stream, EnsembleState& state, const TransitionsView& data,
                             Matrix<const std::uint32_t> rows, int batch_size,
                             const EnsembleConstants& constants, EnsembleBuffers& buffers,
                             const std::function<bool()>& should_stop) {
  return buffers.epoch(stream, state, data, rows, batch_size, constants, should_stop);
}

void ensemble_holdout_mse(Stream& stream, const EnsembleState& state, const TransitionsView& data,
                          Vector<const std::uint32_t> indices, std::span<double> mse,
                          EnsembleBuffers& buffers) {
  buffers.holdout_mse(stream, state, data, indices, mse);
}

}  // namespace mbrl::gpu
