// The ensemble on the GPU: two kernels per gradient step of all members, recorded 16 steps to a
// graph, and one kernel for the holdout sweep.
//
//   ensemble_rows     per (row tile, member): gather, scale, forward, loss, backward
//   ensemble_update   per (weight tile, member): gradient, decay, Adam
//                     one more block: what all members share, and the loss
//
// Where a library multiplies, ensemble_layers.cu takes their place.
#include <algorithm>
#include <cstddef>

#include "base/error.h"
#include "cuda/graph.h"
#include "cuda/kernel.cuh"
#include "kernels/gpu/dispatch.cuh"
#include "kernels/gpu/network_update.cuh"
#include "kernels/gpu/plan.h"
#include "kernels/stages/ensemble/ensemble_arrays.cuh"
#include "kernels/stages/ensemble/ensemble_layers.h"

namespace mbrl::gpu {
namespace {

// the scaled input of a tile of records
template <typename Mlp, typename Record>
__device__ void load_model_input(Mlp& mlp, const EnsembleArrays& a, const TransitionLayout& layout,
                                 typename Mlp::Value* saved, Record record) {
  mlp.fill(a.mlp.layer[0].in_pitch, a.num_inputs, saved,
           [&](int row, int column) { return model_input(a, record(row), layout, column); });
}

template <Precision kPrecision, typename Loss>
__global__ void __launch_bounds__(kBlockThreads, 1)
    ensemble_rows_kernel(const __grid_constant__ EnsembleArrays a, int step_in_graph) {
  if (lacks_format<kPrecision>()) return;
  wait_for_earlier();
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

  const auto parameters = parameters_at<kPrecision>(a.value, a.rounded, e * a.size);
  const auto saved = a.saved_of<kPrecision>(e);
  BlockMlp<kPrecision, kModelRows> mlp(shared_floats(), a.pitch);
  load_model_input(mlp, a, a.plan->data.layout, saved.x(0, first), record);
  mlp.forward(a.mlp, parameters, Activation::kSwish, &saved, first);

  loss_tile<Loss>(a, e, tile, batch, mlp.tile(), mlp.pitch(),
                  shared_floats() + 2 * kModelRows * a.pitch, kPrecision, record);
  const int last = a.mlp.num_layers - 1;
  mlp.take_tile(padded(a.mlp.layer[last].out), saved.dz(last, first));
  mlp.template backward<false>(a.mlp, parameters, Activation::kSwish, saved, first);
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, kIs16Bit<kPrecision> ? 3 : 2)
    ensemble_update_kernel(const __grid_constant__ EnsembleArrays a,
                           const __grid_constant__ UpdateTable table, int step_in_graph,
                           float* losses) {
  if (lacks_format<kPrecision>()) return;
  wait_for_earlier();
  const int step = a.plan->first_step + step_in_graph;
  const int batch = a.batch_rows(step);
  if (batch == 0) return;
  const int block = static_cast<int>(blockIdx.x), e = static_cast<int>(blockIdx.y);
  const AdamStep adam = a.adam[step];
  if (block == table.num_blocks()) {
    if (e == 0) update_shared(a, adam, batch, losses + step);
    return;
  }
  const NetworkArrays member = a.member<kPrecision>(e);
  update_network<kPrecision>(shared_floats(), table, a.saved_of<kPrecision>(e),
                             ParameterStep<kPrecision>{member, adam, 0.0f}, block, batch);
}

__global__ void ensemble_advance_kernel(EpochPlan* plan) {
  wait_for_earlier();
  plan->first_step += kStepsPerGraph;
}

// squared errors of a tile of holdout rows, summed per row, then over rows
template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    ensemble_holdout_kernel(const __grid_constant__ EnsembleArrays a,
                            const __grid_constant__ TransitionsView data,
                            const std::uint32_t* indices, int num_rows, double* sums,
                            float* end_logit) {
  if (lacks_format<kPrecision>()) return;
  const int first = static_cast<int>(blockIdx.x) * kModelRows, e = static_cast<int>(blockIdx.y);
  const int rows = num_rows - first < kModelRows ? num_rows - first : kModelRows;
  const auto record = [&](int row) {
    return data.record(indices[first + (row < rows ? row : rows - 1)]);
  };
  BlockMlp<kPrecision, kModelRows> mlp(shared_floats(), a.pitch);
  load_model_input(mlp, a, data.layout, nullptr, record);
  mlp.forward(a.mlp, parameters_at<kPrecision>(a.value, a.rounded, e * a.size), Activation::kSwish,
              nullptr, 0);

  if (threadIdx.x >= 32) return;
  double sum = 0.0;
  for (int i = static_cast<int>(threadIdx.x); i < rows * a.num_regressed; i += 32) {
    const int row = i / a.num_regressed, k = i % a.num_regressed;
    sum += squared_error(mlp.tile()[row * mlp.pitch() + k],
                         a.maps.target(record(row), data.layout, k));
  }
  sum = warp_sum(sum);
  if (threadIdx.x == 0) sums[e * gridDim.x + blockIdx.x] = sum;
  if (end_logit != nullptr && static_cast<int>(threadIdx.x) < rows)
    end_logit[static_cast<std::size_t>(e) * num_rows + first + threadIdx.x] =
        mlp.tile()[static_cast<int>(threadIdx.x) * mlp.pitch() + a.D - 1];
}

/// Device arrays of the stage, and the graph recorded over them.
class EnsembleBuffers final : public EnsembleStage {
 public:
  EnsembleBuffers(const Stream& stream, const EnsembleState& state, int batch_size,
                  const Gemm& gemm);

  EnsembleEpoch epoch(const EpochCall& call) override;
  void holdout_mse(const HoldoutCall& call) override;

 private:
  void bind(const EnsembleState& state);
  void set_constants(const EnsembleConstants& constants, EnsembleLoss loss);
  void write_plan(const EpochCall& call, int num_steps);
  template <Precision kPrecision, typename Loss>
  void issue(Stream& stream);
  template <Precision kPrecision>
  void round_weights(Stream& stream) {
    launch_rounded_copies<kPrecision>(
        stream,
        {{arrays_.value, arrays_.rounded, static_cast<std::size_t>(arrays_.E) * arrays_.size}});
  }
  void reserve(std::size_t num_steps);
  std::size_t shared_bytes() const {
    return (2 * kModelRows * static_cast<std::size_t>(arrays_.pitch) +
            loss_scratch(arrays_.num_shared, arrays_.D)) *
           sizeof(float);
  }

  int max_batch_;
  Precision precision_;
  Buffer<float> shared_gradient_;
  Buffer<std::byte> saved_, rounded_;
  Buffer<double> loss_;
  EnsembleArrays arrays_{};
  UpdateTable table_;
  Plan<EpochPlan> plan_{"ensemble plan"};
  StepResults<float> losses_{"ensemble losses"};
  Buffer<double> holdout_sums_;  // pinned
  Graph graph_;
  std::unique_ptr<EnsembleLayers> layers_;  // where a library multiplies
};

EnsembleBuffers::EnsembleBuffers(const Stream& stream, const EnsembleState& state, int batch_size,
                                 const Gemm& gemm)
    : max_batch_(batch_size),
      precision_(stream.precision()),
      table_(make_update_table(make_table(state.layout))) {
  EnsembleArrays& a = arrays_;
  a.mlp = make_table(state.layout);
  a.saved_layout = make_saved_layout(state.layout, num_tiles(batch_size) * kTileRows);
  rounded_ = rounded_buffer(stream, state.members.value.size(), "rounded ensemble weights");
  a.rounded = rounded_.data();
  saved_ = Buffer<std::byte>(
      state.ensemble_size * a.saved_layout.size * operand_bytes(stream.precision()), std::byte{0},
      Memory::kDevice, "ensemble activations");
  a.saved = saved_.data();
  a.size = state.layout.size;
  a.maps = state.maps;
  a.E = state.ensemble_size;
  a.D = state.num_targets();
  a.num_regressed = state.num_regressed();
  a.num_inputs = state.num_inputs();
  a.num_shared = state.num_shared();
  a.shared_pitch = padded(a.D);
  a.pitch = shared_pitch(widest(a.mlp));
  a.num_tiles = (batch_size + kModelRows - 1) / kModelRows;
  const auto tasks = static_cast<std::size_t>(a.E) * static_cast<std::size_t>(a.num_tiles);
  shared_gradient_ = Buffer<float>(
      tasks * static_cast<std::size_t>(a.num_shared) * static_cast<std::size_t>(a.shared_pitch),
      0.0f, Memory::kDevice, "gradients of the loss's parameters");
  loss_ = Buffer<double>(tasks, 0.0, Memory::kDevice, "ensemble loss");
  a.shared_gradient = shared_gradient_.data();
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
  a.shared = pointer(state.logvar_bounds.value);
  a.shared_m = pointer(state.logvar_bounds.m);
  a.shared_v = pointer(state.logvar_bounds.v);
  a.input_mean = state.input_mean.data();
  a.input_inv_std = state.input_inv_std.data();
  if (a.borrowed() != before.borrowed()) graph_ = Graph();
}

// what a recording holds by value
void EnsembleBuffers::set_constants(const EnsembleConstants& constants, EnsembleLoss loss) {
  bool same = true;
  const auto set = [&](float& held, float value) {
    same = same && held == value;
    held = value;
  };
  for (int i = 0; i < table_.mlp.num_layers; ++i)
    set(table_.decay[i], constants.weight_decay[static_cast<std::size_t>(i)]);
  with_loss(loss, [&]<typename Loss>() {
    for (int i = 0; i < Loss::kShared; ++i)
      set(arrays_.shared_penalty[i], Loss::shared_gradient(i, constants.logvar_penalty));
  });
  if (!same) graph_ = Graph();
}

// room for the steps of the longest epoch seen, and half as many again
void EnsembleBuffers::reserve(std::size_t num_steps) {
  if (num_steps <= losses_.size()) return;
  const std::size_t steps = num_steps + num_steps / 2;
  plan_.reserve(steps);
  losses_.resize(steps);
  arrays_.plan = plan_.on_device();
  arrays_.adam = plan_.steps_on_device();
  graph_ = Graph();
}

void EnsembleBuffers::write_plan(const EpochCall& call, int num_steps) {
  plan_.value() = {call.data,
                   call.rows.data,
                   call.constants.end_weights,
                   call.rows.size(1),
                   call.batch_size,
                   num_steps,
                   0};
  plan_.set_steps(call.constants.adam, call.state.num_steps, static_cast<std::size_t>(num_steps));
  plan_.copy(call.stream, static_cast<std::size_t>(num_steps));
}

// the steps of a graph
template <Precision kPrecision, typename Loss>
void EnsembleBuffers::issue(Stream& stream) {
  const auto E = static_cast<unsigned>(arrays_.E);
  for (int i = 0; i < kStepsPerGraph; ++i) {
    if (layers_ != nullptr) {
      layers_->issue<Loss>(stream, arrays_, table_.decay, i, losses_.on_device());
      continue;
    }
    launch(stream, "ensemble_rows", ensemble_rows_kernel<kPrecision, Loss>,
           {{static_cast<unsigned>(arrays_.num_tiles), E, 1},
            kBlockThreads,
            shared_bytes(),
            /*early=*/i > 0},
           arrays_, i);
    launch(stream, "ensemble_update", ensemble_update_kernel<kPrecision>,
           {{static_cast<unsigned>(table_.num_blocks() + 1), E, 1},
            kBlockThreads,
            kUpdateSharedBytes<kPrecision>,
            /*early=*/true},
           arrays_, table_, i, losses_.on_device());
  }
  launch(stream, "ensemble_advance", ensemble_advance_kernel, {{1, 1, 1}, 1, 0, /*early=*/true},
         arrays_.plan);
}

EnsembleEpoch EnsembleBuffers::epoch(const EpochCall& call) {
  if (call.batch_size > max_batch_)
    throw ShapeError("ensemble_epoch: batch above the workspace's.");
  Stream& stream = call.stream;
  require_precision(stream, precision_);
  EnsembleState& state = call.state;
  const int num_steps = (call.rows.size(1) + call.batch_size - 1) / call.batch_size;
  reserve(static_cast<std::size_t>(num_steps));
  bind(state);
  set_constants(call.constants, state.loss);
  write_plan(call, num_steps);

  EnsembleEpoch result;
  with_precision(stream, [&]<Precision kPrecision>() {
    if (layers_ == nullptr) round_weights<kPrecision>(stream);  // layers read fp32
    for (int first = 0; first < num_steps; first += kStepsPerGraph) {
      if (call.should_stop()) {
        result.stopped = true;
        break;
      }
      graph_.run(stream, [&] {
        with_loss(state.loss, [&]<typename Loss>() { issue<kPrecision, Loss>(stream); });
      });
      result.steps = std::min(first + kStepsPerGraph, num_steps);
    }
  });
  losses_.copy(stream, static_cast<std::size_t>(result.steps));
  stream.synchronize();
  for (std::int64_t i = 0; i < result.steps; ++i)
    check_ensemble_loss(losses_[static_cast<std::size_t>(i)], state.num_steps + i);
  state.num_steps += result.steps;
  if (result.steps > 0) result.loss = losses_[static_cast<std::size_t>(result.steps - 1)];
  return result;
}

void EnsembleBuffers::holdout_mse(const HoldoutCall& call) {
  Stream& stream = call.stream;
  require_precision(stream, precision_);
  bind(call.state);
  const int rows = call.indices.size();
  const auto tiles = static_cast<std::size_t>((rows + kModelRows - 1) / kModelRows);
  const std::size_t size = static_cast<std::size_t>(arrays_.E) * tiles;
  if (holdout_sums_.size() < size) holdout_sums_ = Buffer<double>(size, Memory::kPinned, "holdout");
  with_precision(stream, [&]<Precision kPrecision>() {
    round_weights<kPrecision>(stream);
    launch(stream, "ensemble_holdout", ensemble_holdout_kernel<kPrecision>,
           {{static_cast<unsigned>(tiles), static_cast<unsigned>(arrays_.E), 1},
            kBlockThreads,
            shared_bytes()},
           arrays_, call.data, call.indices.data, rows, holdout_sums_.data(), call.end_logit.data);
  });
  stream.synchronize();
  for (std::size_t e = 0; e < call.mse.size(); ++e) {
    double sum = 0.0;
    for (std::size_t tile = 0; tile < tiles; ++tile) sum += holdout_sums_[e * tiles + tile];
    call.mse[e] = sum / (static_cast<double>(rows) * arrays_.num_regressed);
  }
}

}  // namespace

std::unique_ptr<EnsembleStage> make_ensemble_stage(Stream& stream, const EnsembleState& state,
                                                   int batch_size, const Gemm& gemm) {
  return std::make_unique<EnsembleBuffers>(stream, state, batch_size, gemm);
}

}  // namespace mbrl::gpu
