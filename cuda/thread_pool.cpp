#include "cuda/thread_pool.h"

#include <immintrin.h>
#include <omp.h>
#include <sched.h>

#include <utility>

namespace mbrl {
namespace {

// about 20 us of spinning before a thread goes to sleep: longer than a barrier between two phases of
// an update, shorter than a scheduler's time slice
constexpr int kSpins = 4000;

thread_local int this_thread_index = 0;

template <typename Ready>
bool spin_until(Ready ready) {
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) return true;
    _mm_pause();
  }
  return ready();
}

}  // namespace

int available_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return CPU_COUNT(&set);
}

int ThreadPool::thread_index() { return this_thread_index; }

void flush_denormals() {
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
  _mm_setcsr(_mm_getcsr() | 0x0040);  // denormals are zero
}

ThreadPool::ThreadPool(int num_threads) {
  flush_denormals();
  omp_set_num_threads(1);
  for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this, i] { worker_loop(i); });
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int num_tasks, Call call, void* context) {
  if (num_tasks <= 0) return;
  num_tasks_ = num_tasks;
  call_ = call;
  context_ = context;
  next_task_.store(0, std::memory_order_relaxed);
  workers_done_.store(0, std::memory_order_relaxed);

  // start the workers, take part, then wait for the last one to leave
  const bool shared = !workers_.empty() && num_tasks > 1;
  if (shared) {
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
  }
  work(num_tasks, call, context);
  if (shared) {
    const int expected = static_cast<int>(workers_.size());
    const auto all_left = [&] { return workers_done_.load(std::memory_order_acquire) == expected; };
    while (!spin_until(all_left)) {
      const int seen = workers_done_.load(std::memory_order_acquire);
      if (seen != expected) workers_done_.wait(seen);
    }
  }
  if (failed_.load(std::memory_order_acquire)) {
    failed_ = false;
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
}

void ThreadPool::work(int num_tasks, Call call, void* context) {
  for (;;) {
    const int task = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (task >= num_tasks) return;
    try {
      call(context, task);
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }
}

void ThreadPool::worker_loop(int index) {
  this_thread_index = index;
  flush_denormals();
  omp_set_num_threads(1);
  std::uint32_t seen = 0;
  for (;;) {
    const auto started = [&] { return generation_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(started)) {
      generation_.wait(seen);
      if (!started()) continue;
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_) return;
    work(num_tasks_, call_, context_);
    workers_done_.fetch_add(1, std::memory_order_release);
    workers_done_.notify_all();
  }
}

}  // namespace mbrl
