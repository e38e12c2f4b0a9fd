// Where operations run: the one seam between devices.
#pragma once

#include <cstddef>
#include <vector>

#include "base/thread_pool.h"
#include "cuda/buffer.h"
#include "cuda/gpu.h"

namespace mbrl {

/// Number format of the operands of matrix products, on the CPU fp32 or bf16; sums, parameters and
/// losses are always f32.
enum class Precision { kFp32, kTf32, kFp16, kBf16 };

class TwinCheck;

/// Ordered work on one device. Every operation takes the stream first; code above kernels/ never
/// asks which device it is.
class Stream {
 public:
  enum class Kind { kCpu, kGpu };

  /// A stream on the CPU, running on `pool`, which must outlive it; or one on the GPU chosen by
  /// gpu::use_device, with `pool` for what stays on the host. It belongs to the thread that makes it:
  /// copy_memory there comes after its work.
  explicit Stream(ThreadPool& pool, Kind kind = Kind::kCpu);
  /// Another stream on the same device with the same settings, on `pool`; in no order with the first,
  /// and no thread's: copy_memory does not wait for it.
  Stream(ThreadPool& pool, const Stream& like);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool on_gpu() const { return on_gpu_; }
  ThreadPool& pool() { return *pool_; }
  /// Where arrays of operations on this stream lie.
  Memory memory() const { return on_gpu_ ? Memory::kDevice : Memory::kHost; }

  /// Waits for all work issued so far. CPU operations are complete when they return.
  void synchronize() {
    if (on_gpu_) gpu::synchronize(handle_, event_);
  }
  /// What is issued from now on comes after all that `earlier` has been given so far; the host does not
  /// wait. For one thread at a time, while no other thread works on either. CPU operations are complete
  /// when they return.
  void order_after(const Stream& earlier);
  /// How synchronize() waits for a GPU: spinning, which wakes soonest (at start), or asleep, which
  /// leaves the core to simulators and other learners. should_wait_asleep() says which is better.
  bool waits_asleep() const { return event_ != nullptr; }
  void set_waits_asleep(bool asleep);

  /// Whether sequences are recorded once and launched as one graph (GPU). Off, every kernel is
  /// launched by itself, with equal results: for debugging and tests.
  bool use_graphs() const { return use_graphs_; }
  void set_use_graphs(bool use) { use_graphs_ = use; }

  Precision precision() const { return precision_; }
  void set_precision(Precision precision) { precision_ = precision; }

  /// What compares the GPU's stages with their CPU twins (kernels/stages/check), null where nothing does.
  /// Set before workspaces are made; must outlive them.
  TwinCheck* check() const { return check_; }
  void set_check(TwinCheck* check) { check_ = check; }

  void* handle() const { return handle_; }

 private:
  ThreadPool* pool_;
  bool on_gpu_;
  bool use_graphs_ = true;
  Precision precision_ = Precision::kFp32;
  TwinCheck* check_ = nullptr;
  void* handle_ = nullptr;
  void* event_ = nullptr;   // where waits are asleep
  void* others_ = nullptr;  // an event on streams that this one comes after
};

/// Those on a GPU, oldest first.
std::vector<Stream*> streams_of_this_thread();

/// Whether `num_learners` threads that wait for a GPU had better sleep: spinning, they would take
/// more than half of the cores.
constexpr bool should_wait_asleep(int num_learners, int num_cores) {
  return 2 * num_learners > num_cores;
}

/// Copies `count` elements between any two kinds of memory, in the order of the stream. Memory of the
/// host, pinned or not, stays as it is until the stream has been waited for.
template <typename T>
void copy(Stream& stream, T* to, const T* from, std::size_t count) {
  if (stream.on_gpu()) return gpu::copy_async(to, from, count * sizeof(T), stream.handle());
  for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
}

}  // namespace mbrl
