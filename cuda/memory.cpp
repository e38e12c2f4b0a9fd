#include "cuda/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "cuda/gpu.h"
#include "cuda/stream.h"

namespace mbrl {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

void* allocate_memory(Memory memory, std::size_t bytes, const char* name) {
  if (bytes == 0) return nullptr;
  if (memory == Memory::kDevice) return gpu::allocate_device(bytes, name);
  if (memory == Memory::kPinned) return gpu::allocate_pinned(bytes, name);

  const std::size_t alignment = bytes < kHugePage ? kAlignment : kHugePage;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, rounded);
  if (data == nullptr) throw std::bad_alloc();
  if (alignment == kHugePage) madvise(data, rounded, MADV_HUGEPAGE);  // a wish; may be refused
  return data;
}

void free_memory(Memory memory, void* data) noexcept {
  if (data == nullptr) return;
  switch (memory) {
    case Memory::kHost:
      return std::free(data);
    case Memory::kPinned:
      return gpu::free_pinned(data);
    case Memory::kDevice:
      return gpu::free_device(data);
  }
}

void copy_memory(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  if (!gpu::linked() || !gpu::in_use()) {
    std::memcpy(to, from, bytes);
    return;
  }
  const std::vector<Stream*> streams = streams_of_this_thread();
  if (streams.empty()) return gpu::copy_and_wait(to, from, bytes);
  // a learner's thread has one
  for (Stream* other : streams)
    if (other != streams.back()) other->synchronize();
  gpu::copy_async(to, from, bytes, streams.back()->handle());
  streams.back()->synchronize();
}

}  // namespace mbrl
