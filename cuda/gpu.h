// The GPU runtime as the host program sees it, without a header of the toolkit.
//
// gpu_runtime.cu defines these functions over CUDA, tests/emulator over host memory. They are weak:
// a program built without either leaves them null, which linked() tells, and nothing calls them
// then.
#pragma once

#include <cstddef>
#include <string>

/// On the declaration of every function that only a GPU build defines.
#define MBRL_GPU_ONLY [[gnu::weak]]

namespace mbrl::gpu {

/// Number of usable GPUs; 0 with the reason in `why` (no driver, driver too old, none visible).
MBRL_GPU_ONLY int device_count(std::string& why);
/// What a GPU is.
struct GpuInfo {
  std::string name;            // "NVIDIA H200"
  int compute_capability = 0;  // 10 major + minor, such as 90
  int num_sms = 0;
  std::size_t total_bytes = 0, free_bytes = 0;
  int driver_version = 0, runtime_version = 0;  // CUDA, as 1000 major + 10 minor
};
MBRL_GPU_ONLY GpuInfo info(int device);
/// Makes `device` the one this process works on. DeviceError if this program has no code for it.
MBRL_GPU_ONLY void use_device(int device);
/// Whether use_device() has been called.
MBRL_GPU_ONLY bool in_use();

/// Most dynamic shared memory a block may have on the device in use.
MBRL_GPU_ONLY std::size_t shared_memory_limit();

MBRL_GPU_ONLY void* allocate_device(std::size_t bytes, const char* name);
MBRL_GPU_ONLY void* allocate_pinned(std::size_t bytes, const char* name);
MBRL_GPU_ONLY void free_device(void* data) noexcept;
MBRL_GPU_ONLY void free_pinned(void* data) noexcept;

MBRL_GPU_ONLY void* create_stream();
MBRL_GPU_ONLY void destroy_stream(void* stream) noexcept;
/// Something that a thread can sleep on until a stream has come to it.
MBRL_GPU_ONLY void* create_event();
MBRL_GPU_ONLY void destroy_event(void* event) noexcept;
/// Waits for the stream: asleep if there is an `event` for it, else spinning. DeviceError with the
/// name of what was running if the device failed.
MBRL_GPU_ONLY void synchronize(void* stream, void* event);
/// What is issued on `stream` from now on comes after all that was issued on `earlier` before, by way
/// of an `event`, which may then serve again. The host does not wait.
MBRL_GPU_ONLY void order_after(void* stream, void* earlier, void* event);
/// In the order of the stream. Memory of the host stays as it is until the stream has been waited
/// for, pinned or not.
MBRL_GPU_ONLY void copy_async(void* to, const void* from, std::size_t bytes, void* stream);
/// Copies and waits for the copy alone: what is on its way on any stream must not touch either side.
MBRL_GPU_ONLY void copy_and_wait(void* to, const void* from, std::size_t bytes);

/// Work issued between the two calls is recorded instead of run. The executable graph repeats it.
MBRL_GPU_ONLY void begin_capture(void* stream);
MBRL_GPU_ONLY void* end_capture(void* stream, std::size_t& num_nodes);
/// After a failure in between: leaves the stream usable.
MBRL_GPU_ONLY void abandon_capture(void* stream) noexcept;
MBRL_GPU_ONLY void launch_graph(void* graph, void* stream);
MBRL_GPU_ONLY void destroy_graph(void* graph) noexcept;

/// The shared library called `name`, for dlsym; null if the loader finds none, with its reason in
/// `why`. Never closed.
MBRL_GPU_ONLY void* open_library(const char* name, std::string& why);

/// Whether this program has GPU code.
inline bool linked() { return device_count != nullptr; }

}  // namespace mbrl::gpu
