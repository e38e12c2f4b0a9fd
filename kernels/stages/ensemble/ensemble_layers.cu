#include <algorithm>
#include <cstddef>

#include "kernels/gpu/layered_mlp.h"
#include "kernels/gpu/linear.cuh"
#include "kernels/stages/ensemble/ensemble_arrays.cuh"
#include "kernels/stages/ensemble/ensemble_layers.h"

namespace mbrl::gpu {
namespace {

/// Where the small kernels find inputs and outputs of the networks, [E][batch, pitch].
struct LayerArrays {
  float *input, *output, *output_gradient;
  std::size_t stride, output_stride;
  int input_pitch, output_pitch, batch;
  AdamStep* adam;  // of this step
  int* active;     // whether this step is one of the epoch's
};

// rows past the batch repeat its last one, as in the fused kernel
__device__ int batch_row(int row, int batch) { return row < batch ? row : batch - 1; }

// scaled inputs, one element each; the first also finds the step's constants
struct FillInputs {
  EnsembleArrays a;
  LayerArrays l;
  int step_in_graph;
  __device__ void operator()(std::size_t i) const {
    const int step = a.plan->first_step + step_in_graph, batch = a.batch_rows(step);
    if (i == 0) {
      *l.active = batch > 0 ? 1 : 0;
      if (batch > 0) *l.adam = a.adam[step];
    }
    if (batch == 0) return;
    const int width = a.num_inputs, column = static_cast<int>(i) % width;
    const int row = static_cast<int>(i) / width % l.batch;
    const int e = static_cast<int>(i) / width / l.batch;
    const float* record = a.plan->data.record(a.batch_indices(step, e)[batch_row(row, batch)]);
    l.input[e * l.stride + static_cast<std::size_t>(row) * l.input_pitch + column] =
        model_input(a, record, a.plan->data.layout, column);
  }
};

template <typename Loss>
__global__ void ensemble_layers_loss_kernel(const __grid_constant__ EnsembleArrays a,
                                            const __grid_constant__ LayerArrays l,
                                            int step_in_graph, Precision precision) {
  const int step = a.plan->first_step + step_in_graph, batch = a.batch_rows(step);
  if (batch == 0) return;
  const int tile = static_cast<int>(blockIdx.x), e = static_cast<int>(blockIdx.y);
  const int first = tile * kModelRows;
  const std::size_t row0 = static_cast<std::size_t>(first) * l.output_pitch;
  float* dz = l.output_gradient + e * l.stride + row0;
  if (first >= batch) {  // of an earlier, longer batch
    for (int i = static_cast<int>(threadIdx.x); i < kModelRows * l.output_pitch; i += kBlockThreads)
      dz[i] = 0.0f;
    return;
  }
  const std::uint32_t* indices = a.batch_indices(step, e);
  float* output = l.output + e * l.output_stride + row0;
  loss_tile<Loss>(
      a, e, tile, batch, output, l.output_pitch, shared_floats(), precision,
      [&](int row) { return a.plan->data.record(indices[batch_row(first + row, batch)]); });
  for (int i = static_cast<int>(threadIdx.x); i < kModelRows * l.output_pitch; i += kBlockThreads)
    dz[i] = output[i];
}

__global__ void ensemble_layers_shared_kernel(const __grid_constant__ EnsembleArrays a,
                                              int step_in_graph, float* losses) {
  const int step = a.plan->first_step + step_in_graph, batch = a.batch_rows(step);
  if (batch > 0) update_shared(a, a.adam[step], batch, losses + step);
}

}  // namespace

struct EnsembleLayers::Parts {
  Parts(const EnsembleState& state, int batch_size, const Gemm& gemm)
      : batch((batch_size + kModelRows - 1) / kModelRows * kModelRows),
        members(state.layout, Activation::kSwish, batch, state.ensemble_size, gemm, kName),
        gradient(static_cast<std::size_t>(state.ensemble_size) * state.layout.size, 0.0f,
                 Memory::kDevice, kName),
        adam(1, Memory::kDevice, kName),
        active(1, 0, Memory::kDevice, kName),
        l{members.input(),
          members.output(),
          members.output_gradient(),
          members.stride(),
          members.output_stride(),
          members.input_pitch(),
          members.output_pitch(),
          batch,
          adam.data(),
          active.data()} {}

  static constexpr const char* kName = "ensemble activations";
  int batch;  // whole tiles
  LayeredMlp members;
  Buffer<float> gradient;
  Buffer<AdamStep> adam;
  Buffer<int> active;
  LayerArrays l;
};

EnsembleLayers::EnsembleLayers(const EnsembleState& state, int batch_size, const Gemm& gemm)
    : parts_(std::make_unique<Parts>(state, batch_size, gemm)) {}
EnsembleLayers::~EnsembleLayers() = default;

template <typename Loss>
void EnsembleLayers::issue(Stream& stream, const EnsembleArrays& a, const float* decay,
                           int step_in_graph, float* losses) {
  Parts& p = *parts_;
  launch_linear(stream, "ensemble_layers_inputs",
                static_cast<std::size_t>(a.E) * p.batch * a.num_inputs,
                FillInputs{a, p.l, step_in_graph});
  p.members.forward(stream, a.value, a.size);
  launch(stream, "ensemble_layers_loss", ensemble_layers_loss_kernel<Loss>,
         {{static_cast<unsigned>(p.batch / kModelRows), static_cast<unsigned>(a.E), 1},
          kBlockThreads,
          loss_scratch(a.num_shared, a.D) * sizeof(float)},
         a, p.l, step_in_graph, stream.precision());
  p.members.backward(stream, a.value, a.size, p.batch);
  p.members.parameter_gradient(stream, p.gradient.data(), a.size, p.batch);
  LayeredStep step{.mlp = a.mlp,
                   .arrays = {a.value, a.m, a.v, nullptr},
                   .stride = a.size,
                   .count = a.E,
                   .gradient = p.gradient.data(),
                   .adam = p.l.adam,
                   .active = p.l.active};
  std::copy_n(decay, a.mlp.num_layers, step.decay);
  launch_step(stream, step);
  launch(stream, "ensemble_layers_shared", ensemble_layers_shared_kernel,
         {{1, 1, 1}, kBlockThreads}, a, step_in_graph, losses);
}

#define MBRL_LOSS(Name)                                                                         \
  template void EnsembleLayers::issue<Name##Loss>(Stream&, const EnsembleArrays&, const float*, \
                                                  int, float*);
MBRL_ENSEMBLE_LOSSES(MBRL_LOSS)
#undef MBRL_LOSS

}  // namespace mbrl::gpu
