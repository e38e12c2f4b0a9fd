#include "base/thread_pool.h"

#include <immintrin.h>
#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/cpu_quota.h"
#include "base/error.h"

namespace mbrl {
namespace {

// about 20 us of spinning: longer than a barrier between two phases of an update where all are on
// time, shorter than a scheduler's time slice
constexpr int kSpins = 4000;
// then some hundred us that are anybody's who wants the core: longer than a task of an update. To wake
// a thread takes as long as such a task, so that who sleeps once comes late to every phase after
constexpr int kYields = 400;

thread_local int this_thread_index = 0;

template <typename Ready>
bool spin_until(Ready ready) {
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) return true;
    _mm_pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (ready()) return true;
    std::this_thread::yield();
  }
  return ready();
}

}  // namespace

int available_cores() {
  cpu_set_t set;
  const int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  const std::optional<double> quota = cpu_quota();
  // more threads than the quota pays for stand still together for most of each period
  return quota ? std::clamp(static_cast<int>(std::ceil(*quota)), 1, cores) : cores;
}

int ThreadPool::thread_index() { return this_thread_index; }

void flush_denormals() {
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
  _mm_setcsr(_mm_getcsr() | 0x0040);  // denormals are zero
}

ThreadPool::ThreadPool(int num_threads) {
  flush_denormals();
  omp_set_num_threads(1);
  try {
    for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this, i] { worker_loop(i); });
  } catch (const std::system_error& error) {
    const std::size_t started = workers_.size() + 1;
    end_workers();
    throw DeviceError("thread " + std::to_string(started + 1) + " of " +
                      std::to_string(num_threads) +
                      " cannot be started: " + error.code().message() +
                      ". Give a smaller --threads, or raise the limit on processes (`ulimit -u`, a "
                      "container's pids limit).");
  }
}

ThreadPool::~ThreadPool() { end_workers(); }

void ThreadPool::end_workers() {
  stopping_ = true;
  batch_.fetch_add(1);
  batch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int num_tasks, Call call, void* context) {
  if (num_tasks <= 0) return;
  call_ = call;
  context_ = context;
  num_done_.store(0, std::memory_order_relaxed);
  ticket_.store(static_cast<std::uint64_t>(num_tasks) << 32, std::memory_order_release);
  if (!workers_.empty() && num_tasks > 1) {
    batch_.fetch_add(1, std::memory_order_release);
    batch_.notify_all();
  }

  // take part, then wait for the tasks that others have taken
  work();
  const auto expected = static_cast<std::uint32_t>(num_tasks);
  const auto all_done = [&] { return num_done_.load(std::memory_order_acquire) == expected; };
  while (!spin_until(all_done)) {
    const std::uint32_t seen = num_done_.load(std::memory_order_acquire);
    if (seen != expected) num_done_.wait(seen);
  }
  if (failed_.load(std::memory_order_acquire)) {
    failed_ = false;
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
}

void ThreadPool::work() {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  for (;;) {
    const auto num_tasks = static_cast<std::uint32_t>(ticket >> 32);
    const auto task = static_cast<std::uint32_t>(ticket);
    if (task >= num_tasks) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
    // the batch cannot end, nor call_ change, before this task is counted as done
    try {
      call_(context_, static_cast<int>(task));
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
    const bool last = num_done_.fetch_add(1, std::memory_order_acq_rel) + 1 == num_tasks;
    // the caller, which alone waits for the end, is no worker. A notice that nobody needs still
    // costs a system call where a thread sleeps on any word that the library counts together with
    // this one
    if (last && this_thread_index != 0) num_done_.notify_all();
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void ThreadPool::worker_loop(int index) {
  this_thread_index = index;
  flush_denormals();
  omp_set_num_threads(1);
  std::uint32_t seen = 0;
  for (;;) {
    const auto called = [&] { return batch_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(called)) {
      batch_.wait(seen);
      continue;
    }
    seen = batch_.load(std::memory_order_acquire);
    if (stopping_) return;
    work();
  }
}

}  // namespace mbrl
