#include "kernels/gpu/layered_mlp.h"
#include "kernels/gpu/linear.cuh"
#include "kernels/gpu/parameter_step.cuh"
#include "kernels/gpu/product.h"

namespace mbrl::gpu {
namespace {

constexpr int kSumColumns = 32, kSumGroups = 8;

// column sums of [rows, pitch]: eight groups of rows, then the groups in order
__global__ void bias_gradient_kernel(float* sum, std::size_t sum_stride, const float* x, int pitch,
                                     std::size_t stride, int rows, int columns) {
  const int thread = static_cast<int>(threadIdx.x);
  const int column = static_cast<int>(blockIdx.x) * kSumColumns + thread % kSumColumns;
  const int group = thread / kSumColumns, network = static_cast<int>(blockIdx.y);
  float* partial = shared_floats();  // [kSumGroups][kSumColumns]
  float total = 0.0f;
  if (column < columns)
    for (int row = group; row < rows; row += kSumGroups)
      total += x[network * stride + static_cast<std::size_t>(row) * pitch + column];
  partial[thread] = total;
  sync_block();
  if (group > 0 || column >= columns) return;
  for (int g = 1; g < kSumGroups; ++g) total += partial[g * kSumColumns + thread];
  sum[network * sum_stride + column] = total;
}

/// One parameter of one network.
struct StepBody {
  LayeredStep s;
  std::size_t size;     // parameters of a network
  Precision precision;  // in which the gradient travelled
  __device__ void operator()(std::size_t i) const {
    if (s.active != nullptr && *s.active == 0) return;
    const std::size_t network = i / size, at = i % size;
    float decay = 0.0f;
    for (int layer = 0; layer < s.mlp.num_layers; ++layer)
      if (at >= s.mlp.layer[layer].weight && at < s.mlp.layer[layer].bias) decay = s.decay[layer];
    const std::size_t first = network * s.stride;
    const NetworkArrays& n = s.arrays;
    const NetworkArrays own{n.value + first, n.m + first, n.v + first,
                            n.target == nullptr ? nullptr : n.target + first};
    ParameterStep<Precision::kFp32>{own, *s.adam, s.tau}.one(
        at, unscaled_gradient(s.gradient[first + at], precision), decay);
  }
};

}  // namespace

LayeredMlp::LayeredMlp(const MlpLayout& layout, Activation hidden, int rows, int count,
                       const Gemm& gemm, const char* name)
    : mlp_(make_table(layout)),
      hidden_(hidden),
      gemm_(gemm),
      rows_(rows),
      count_(count),
      saved_layout_(make_saved_layout(layout, rows)),
      saved_(static_cast<std::size_t>(count) * saved_layout_.size, 0.0f, Memory::kDevice, name),
      output_(static_cast<std::size_t>(count) * output_stride(), 0.0f, Memory::kDevice, name) {
  // relu is known by its result
  if (hidden != Activation::kRelu) z_ = Buffer<float>(saved_.size(), 0.0f, Memory::kDevice, name);
}

void LayeredMlp::forward(Stream& stream, const float* parameters, std::size_t stride) {
  for (int i = 0; i < mlp_.num_layers; ++i) {
    const LayerLayout& l = mlp_.layer[i];
    const bool last = i + 1 == mlp_.num_layers;
    Product p{.rows = rows_,
              .columns = l.out,
              .depth = l.in_pitch,  // padding is zero in both
              .a = {x(i), saved_layout_.x_pitch[i], saved_layout_.size},
              .b = {parameters + l.weight, l.in_pitch, stride, true},
              .c = last ? output_.data() : x(i + 1),
              .c_pitch = saved_layout_.dz_pitch[i],
              .c_stride = last ? output_stride() : saved_layout_.size,
              .count = count_,
              .bias = parameters + l.bias,
              .bias_stride = stride};
    if (!last) {
      p.activation = hidden_;
      if (hidden_ != Activation::kRelu) p.before_activation = z(i);
    }
    multiply(stream, gemm_, p);
  }
}

void LayeredMlp::backward(Stream& stream, const float* parameters, std::size_t stride, int rows) {
  for (int i = mlp_.num_layers - 1; i > 0; --i) {
    const LayerLayout& l = mlp_.layer[i];
    multiply(stream, gemm_,
             {.rows = rows,
              .columns = l.in,
              .depth = l.out,
              .a = {dz(i), saved_layout_.dz_pitch[i], saved_layout_.size},
              .b = {parameters + l.weight, l.in_pitch, stride},
              .c = dz(i - 1),
              .c_pitch = saved_layout_.dz_pitch[i - 1],
              .c_stride = saved_layout_.size,
              .count = count_,
              .activation = hidden_,
              .gate = hidden_ == Activation::kRelu ? x(i) : z(i - 1)});
  }
}

void LayeredMlp::input_gradient(Stream& stream, float* d_input, const float* parameters, int rows) {
  const LayerLayout& l = mlp_.layer[0];
  multiply(stream, gemm_,
           {.rows = rows,
            .columns = l.in,
            .depth = l.out,
            .a = {dz(0), saved_layout_.dz_pitch[0]},
            .b = {parameters + l.weight, l.in_pitch},
            .c = d_input,
            .c_pitch = input_pitch()});
}

void LayeredMlp::parameter_gradient(Stream& stream, float* gradient, std::size_t stride, int rows) {
  for (int i = 0; i < mlp_.num_layers; ++i) {
    const LayerLayout& l = mlp_.layer[i];
    multiply(stream, gemm_,
             {.rows = l.out,
              .columns = l.in,
              .depth = rows,
              .a = {dz(i), saved_layout_.dz_pitch[i], saved_layout_.size, true},
              .b = {x(i), saved_layout_.x_pitch[i], saved_layout_.size},
              .c = gradient + l.weight,
              .c_pitch = l.in_pitch,
              .c_stride = stride,
              .count = count_});
    const auto blocks = static_cast<unsigned>((l.out + kSumColumns - 1) / kSumColumns);
    launch(stream, "bias_gradient", bias_gradient_kernel,
           {{blocks, static_cast<unsigned>(count_), 1},
            kSumColumns * kSumGroups,
            kSumColumns * kSumGroups * sizeof(float)},
           gradient + l.bias, stride, dz(i), saved_layout_.dz_pitch[i], saved_layout_.size, rows,
           l.out);
  }
}

void launch_step(Stream& stream, const LayeredStep& step) {
  const LayerLayout& last = step.mlp.layer[step.mlp.num_layers - 1];
  const std::size_t size = last.bias + padded(last.out);
  launch_linear(stream, "parameter_step", size * static_cast<std::size_t>(step.count),
                StepBody{step, size, stream.precision()});
}

}  // namespace mbrl::gpu
