// Networks on the GPU one layer at a time over a whole batch, products by a chosen provider:
// how the stages work where a library multiplies, and the peer that the fused kernels have to beat.
#pragma once

#include <cstddef>

#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/formulas/activation.h"
#include "kernels/formulas/adam.h"
#include "kernels/gpu/device_mlp.h"
#include "kernels/gpu/product.h"

namespace mbrl::gpu {

/// `count` networks of one shape, each on its own `rows` rows. Parameters of network i begin
/// i * stride floats after the first's. Nothing is allocated after construction.
class LayeredMlp {
 public:
  /// gemm: of its products. name: of its memory, in errors.
  LayeredMlp(const MlpLayout& layout, Activation hidden, int rows, int count, const Gemm& gemm,
             const char* name);

  /// Input of every network: [count][rows, pitch()], written by the caller.
  float* input() { return x(0); }
  int input_pitch() const { return saved_layout_.x_pitch[0]; }
  std::size_t stride() const { return saved_layout_.size; }  // floats from network to network
  /// Output of every network, and the gradient of the loss with respect to it, written by the
  /// caller before a backward pass: [count][rows, output_pitch()].
  float* output() { return output_.data(); }
  float* output_gradient() { return dz(mlp_.num_layers - 1); }
  int output_pitch() const { return saved_layout_.dz_pitch[mlp_.num_layers - 1]; }
  std::size_t output_stride() const {
    return static_cast<std::size_t>(rows_) * static_cast<std::size_t>(output_pitch());
  }

  void forward(Stream& stream, const float* parameters, std::size_t stride = 0);
  /// Gradients of all layers' affine outputs, over the first `rows` rows.
  void backward(Stream& stream, const float* parameters, std::size_t stride, int rows);
  /// After backward(): the gradient of the input, [rows, input_pitch()]; one network.
  void input_gradient(Stream& stream, float* d_input, const float* parameters, int rows);
  /// After backward(): gradients of weights and biases in the layout of the parameters; padding
  /// stays as it is.
  void parameter_gradient(Stream& stream, float* gradient, std::size_t stride, int rows);

 private:
  float* x(int layer) { return saved_.data() + saved_layout_.x_offset[layer]; }
  float* dz(int layer) { return saved_.data() + saved_layout_.dz_offset[layer]; }
  /// Values before a hidden activation, where its derivative needs them.
  float* z(int layer) { return z_.data() + saved_layout_.dz_offset[layer]; }

  MlpTable mlp_;
  Activation hidden_;
  Gemm gemm_;
  int rows_, count_;
  SavedLayout saved_layout_;
  Buffer<float> saved_, z_, output_;
};

/// How the parameters of `count` networks take a step: gradient + decay W by Adam, then averaging.
struct LayeredStep {
  MlpTable mlp;
  NetworkArrays arrays;  // of the first network
  std::size_t stride = 0;
  int count = 1;
  const float* gradient;
  const AdamStep* adam;         // in device memory
  const int* active = nullptr;  // in device memory; where given and 0, nothing happens
  float decay[kMaxLayers] = {};
  float tau = 0.0f;
};
void launch_step(Stream& stream, const LayeredStep& step);

}  // namespace mbrl::gpu
