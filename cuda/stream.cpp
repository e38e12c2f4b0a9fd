#include "cuda/stream.h"

#include <algorithm>
#include <mutex>
#include <thread>

namespace mbrl {
namespace {

struct Made {
  std::thread::id by;
  Stream* stream;
};

// streams on a GPU and the threads that made them
struct Registry {
  std::mutex mutex;
  std::vector<Made> streams;
};

Registry& registry() {
  static Registry& all = *new Registry;  // outlives streams of static duration
  return all;
}

}  // namespace

Stream::Stream(ThreadPool& pool, Kind kind) : pool_(&pool), on_gpu_(kind == Kind::kGpu) {
  if (!on_gpu_) return;
  handle_ = gpu::create_stream();
  const std::lock_guard lock(registry().mutex);
  registry().streams.push_back({std::this_thread::get_id(), this});
}

Stream::Stream(ThreadPool& pool, const Stream& like)
    : pool_(&pool),
      on_gpu_(like.on_gpu_),
      use_graphs_(like.use_graphs_),
      precision_(like.precision_),
      check_(like.check_) {
  if (!on_gpu_) return;
  handle_ = gpu::create_stream();
  set_waits_asleep(like.waits_asleep());
}

Stream::~Stream() {
  if (!on_gpu_) return;
  {
    const std::lock_guard lock(registry().mutex);
    std::erase_if(registry().streams, [&](const Made& made) { return made.stream == this; });
  }
  set_waits_asleep(false);
  if (others_ != nullptr) gpu::destroy_event(others_);
  gpu::destroy_stream(handle_);
}

void Stream::order_after(const Stream& earlier) {
  if (!on_gpu_) return;
  if (others_ == nullptr) others_ = gpu::create_event();
  gpu::order_after(handle_, earlier.handle_, others_);
}

void Stream::set_waits_asleep(bool asleep) {
  if (!on_gpu_ || asleep == waits_asleep()) return;
  if (asleep) {
    event_ = gpu::create_event();
  } else {
    gpu::destroy_event(event_);
    event_ = nullptr;
  }
}

std::vector<Stream*> streams_of_this_thread() {
  std::vector<Stream*> own;
  const std::lock_guard lock(registry().mutex);
  for (const Made& made : registry().streams)
    if (made.by == std::this_thread::get_id()) own.push_back(made.stream);
  return own;
}

}  // namespace mbrl
