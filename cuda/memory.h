// Where memory lies, and how it is taken, given back and copied.
#pragma once

#include <cstddef>

namespace mbrl {

enum class Memory {
  kHost,    // large blocks ask for huge pages: replay rows are read at random
  kPinned,  // host memory that the GPU reads and writes directly
  kDevice,  // of the GPU; the host reaches it by copying only
};

/// `bytes` of uninitialized memory, at least 64-byte aligned; null for none. Host memory comes
/// untouched from the system, so a large replay costs only the pages it has filled.
///
/// Errors   DeviceError naming `name`, its size and what is free, for device memory;
/// std::bad_alloc.
void* allocate_memory(Memory memory, std::size_t bytes, const char* name);
void free_memory(Memory memory, void* data) noexcept;

/// Copies between any two kinds of memory and waits: after all work on the streams that this thread
/// has made, and for nothing else, so that no learner waits for another. What another thread has
/// issued on either side must have been waited for.
void copy_memory(void* to, const void* from, std::size_t bytes);

}  // namespace mbrl
