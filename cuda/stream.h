// Where operations run: the one seam between devices.
#pragma once

#include "cuda/thread_pool.h"

namespace mbrl {

/// Ordered work on one device. Every operation takes the stream first; code above kernels/ never
/// asks which device it is.
class Stream {
 public:
  /// A stream on the CPU, running on `pool`, which must outlive it.
  explicit Stream(ThreadPool& pool) : pool_(&pool) {}

  bool on_gpu() const { return false; }
  ThreadPool& pool() { return *pool_; }

  /// Waits for all work issued so far. CPU operations are complete when they return.
  void synchronize() {}

 private:
  ThreadPool* pool_;
};

}  // namespace mbrl
