// Matrix products on the GPU with what a dense layer does around them, by our kernel or by a
// vendor's library. The fused stages do not come here; what works layer by layer does.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "cuda/gpu.h"
#include "cuda/stream.h"
#include "kernels/formulas/activation.h"

namespace mbrl {

/// Whose matrix products a stage uses on the GPU: its own fused kernels; or layer by layer our own
/// product kernel (the plain version the others are compared with), or a library's.
enum class GemmProvider { kFused, kPlain, kCublasLt, kCudnn };

/// A provider with what its library keeps (handle, plans, workspace), which is made at the first
/// product and shared by copies. It serves one stream, and is destroyed before it.
class Gemm {
 public:
  Gemm(GemmProvider provider = GemmProvider::kFused) : provider_(provider) {
    if (provider == GemmProvider::kCublasLt || provider == GemmProvider::kCudnn)
      library_ = std::make_shared<std::shared_ptr<void>>();
  }

  GemmProvider provider() const { return provider_; }
  bool fused() const { return provider_ == GemmProvider::kFused; }
  /// Of the libraries alone.
  std::shared_ptr<void>& library() const { return *library_; }

 private:
  GemmProvider provider_;
  std::shared_ptr<std::shared_ptr<void>> library_;
};

/// What each stage that has a choice multiplies with.
struct GemmChoice {
  Gemm sac, ensemble;
};

}  // namespace mbrl

namespace mbrl::gpu {

/// A row-major operand in device memory. `stride`: floats to the same operand of the next problem.
struct Operand {
  const float* data;
  int pitch;  // floats between rows
  std::size_t stride = 0;
  bool transposed = false;
};

/// `count` problems of equal shape:
///   z = alpha op(a) op(b) + beta c + bias         (bias: one value per column, where given)
///   c = activation(z)                             and before_activation = z, where given
///   c = z activation'(gate)                       instead, where `gate` is given
/// The libraries need pitches of a multiple of 4 floats and 16-byte aligned data. c overlaps no
/// other array.
struct Product {
  int rows, columns, depth;  // op(a): [rows, depth], op(b): [depth, columns], c: [rows, columns]
  Operand a, b;
  float* c;
  int c_pitch;
  std::size_t c_stride = 0;
  int count = 1;
  float alpha = 1.0f, beta = 0.0f;
  const float* bias = nullptr;
  std::size_t bias_stride = 0;
  Activation activation = Activation::kNone;
  // pitch and stride of c
  float* before_activation = nullptr;
  const float* gate =
      nullptr;  // what `activation` was applied to; for relu its result does as well
};

/// By `gemm` in the stream's precision; our own kernel (kFused, kPlain) always computes in fp32.
///
/// Errors   DeviceError naming the library, the shape and what it said.
/// Cost     2 rows columns depth count operations. A library's first product of a shape looks up
///          an algorithm for it and loads code, which must not happen while work is recorded:
///          Graph's first run sees to that. Repeats bitwise on the same GPU model with the same
///          library.
MBRL_GPU_ONLY void multiply(Stream& stream, const Gemm& gemm, const Product& product);

/// The parts of a library that this program uses; loaded at first use, never linked. Absent (null
/// functions) where the program was built without the library's headers.
namespace cublaslt {
/// Why the library cannot be used here; "" if it can.
MBRL_GPU_ONLY std::string missing();
/// "cuBLASLt 13.1.0".
MBRL_GPU_ONLY std::string version();
/// One call per product: bias and relu are part of it, no other activation, no gate, no
/// before_activation. gpu::multiply() adds what is left.
MBRL_GPU_ONLY void multiply(Stream& stream, std::shared_ptr<void>& kept, const Product& product);
}  // namespace cublaslt

namespace cudnn {
MBRL_GPU_ONLY std::string missing();
MBRL_GPU_ONLY std::string version();
/// One fused graph per product; alpha = 1 and beta = 0.
MBRL_GPU_ONLY void multiply(Stream& stream, std::shared_ptr<void>& kept, const Product& product);
}  // namespace cudnn

/// "hand", "plain", "cublaslt" or "cudnn".
const char* provider_name(GemmProvider provider);
/// Why `provider` cannot be used by this program on this machine; "" if it can. Loads a library.
std::string provider_missing(GemmProvider provider);

}  // namespace mbrl::gpu
