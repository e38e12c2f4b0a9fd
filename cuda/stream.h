// Where operations run: the one seam between devices.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "cuda/buffer.h"
#include "cuda/gpu.h"
#include "base/thread_pool.h"

namespace mbrl {

/// Number format of the operands of matrix products on the GPU; sums, parameters and losses are
/// always f32.
enum class Precision { kFp32, kTf32, kFp16, kBf16 };

/// Whose matrix products the GPU uses: our fused kernels; or layer by layer our own product kernel
/// (the plain version the others are compared with), or a library's.
enum class GemmProvider { kHand, kPlain, kCublasLt, kCudnn };
/// What chooses a provider for itself; kDense stands for all that is no fused stage.
enum class Stage { kSac, kEnsemble, kDense };

/// Ordered work on one device. Every operation takes the stream first; code above kernels/ never
/// asks which device it is.
class Stream {
 public:
  enum class Kind { kCpu, kGpu };

  /// A stream on the CPU, running on `pool`, which must outlive it; or one on the GPU chosen by
  /// gpu::use_device, with `pool` for what stays on the host.
  explicit Stream(ThreadPool& pool, Kind kind = Kind::kCpu)
      : pool_(&pool), on_gpu_(kind == Kind::kGpu) {
    if (on_gpu_) handle_ = gpu::create_stream();
  }
  ~Stream() {
    libraries_ = {};  // they may hold work of the stream
    if (on_gpu_) gpu::destroy_stream(handle_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool on_gpu() const { return on_gpu_; }
  ThreadPool& pool() { return *pool_; }
  /// Where arrays of operations on this stream lie.
  Memory memory() const { return on_gpu_ ? Memory::kDevice : Memory::kHost; }

  /// Waits for all work issued so far. CPU operations are complete when they return.
  void synchronize() {
    if (on_gpu_) gpu::synchronize(handle_);
  }

  /// Whether sequences are recorded once and launched as one graph (GPU). Off, every kernel is
  /// launched by itself, with equal results: for debugging and tests.
  bool use_graphs() const { return use_graphs_; }
  void set_use_graphs(bool use) { use_graphs_ = use; }

  Precision precision() const { return precision_; }
  void set_precision(Precision precision) { precision_ = precision; }

  GemmProvider gemm(Stage stage = Stage::kDense) const {
    return gemm_[static_cast<std::size_t>(stage)];
  }
  void set_gemm(Stage stage, GemmProvider provider) {
    gemm_[static_cast<std::size_t>(stage)] = provider;
  }
  void set_gemm(GemmProvider provider) { gemm_.fill(provider); }
  /// What a library keeps for this stream (handles, plans, workspace): made by its wrapper at first
  /// use, destroyed with the stream.
  std::shared_ptr<void>& library(GemmProvider provider) {
    return libraries_[static_cast<std::size_t>(provider)];
  }

  void* handle() const { return handle_; }

 private:
  ThreadPool* pool_;
  bool on_gpu_;
  bool use_graphs_ = true;
  Precision precision_ = Precision::kFp32;
  std::array<GemmProvider, 3> gemm_{};
  std::array<std::shared_ptr<void>, 4> libraries_;
  void* handle_ = nullptr;
};

/// Copies `count` elements between any two kinds of memory, in the order of the stream. Host memory
/// that is not pinned may be changed when the call returns.
template <typename T>
void copy(Stream& stream, T* to, const T* from, std::size_t count) {
  if (stream.on_gpu()) return gpu::copy_async(to, from, count * sizeof(T), stream.handle());
  for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
}

}  // namespace mbrl
