// One pool of host threads per process, shared by phase: environments, GEMMs, sorting.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <type_traits>
#include <vector>

namespace mbrl {

/// Number of cores this process may use: those of its affinity mask, or fewer where a container's
/// quota of processor time (cpu_quota.h) is less.
int available_cores();

/// Runs numbered tasks on `num_threads` threads, the caller being one of them.
///
/// Tasks are cut by the problem, never by the number of threads, and write to disjoint places, so
/// results do not depend on how many threads there are or which one takes a task. Waiting is a
/// bounded spin, then yields, then a futex: an endless spin collapses when the cores are shared.
/// Library threads (OpenMP under oneDNN) are set to one inside every thread of the pool. Workers
/// flush denormals.
class ThreadPool {
 public:
  /// Errors   DeviceError if the system starts no more threads.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Number of the calling thread within its pool, in [0, num_threads): the caller of parallel_for
  /// is 0. Picks scratch memory, never data, so it cannot change a result.
  static int thread_index();

  /// Calls task(i) for every i in [0, num_tasks) and returns when all are done. The first exception
  /// thrown by a task is rethrown here. Not reentrant: a task must not call parallel_for.
  template <typename Task>
  void parallel_for(int num_tasks, Task&& task) {
    run(
        num_tasks,
        [](void* context, int i) { (*static_cast<std::remove_reference_t<Task>*>(context))(i); },
        const_cast<void*>(static_cast<const void*>(&task)));
  }

 private:
  using Call = void (*)(void* context, int task);

  void run(int num_tasks, Call call, void* context);
  void work();
  void worker_loop(int index);
  void end_workers();

  std::vector<std::thread> workers_;
  std::atomic<std::uint32_t> batch_{0};  // bumped to wake the workers
  // number of tasks above, next task below: one word, so that a thread that comes late finds either
  // an open task of the current batch or none, and nobody waits for it
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<std::uint32_t> num_done_{0};
  std::atomic<bool> stopping_{false};
  Call call_ = nullptr;
  void* context_ = nullptr;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
};

/// Flushes denormals to zero in the calling thread: Adam's second moments reach them and slow down
/// every instruction that touches one.
void flush_denormals();

}  // namespace mbrl
