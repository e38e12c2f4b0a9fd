// The GPU runtime over CUDA: the only file that talks to it, apart from launches.
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <shared_mutex>
#include <string>

#include "cuda/gpu.h"
#include "cuda/gpu_errors.h"
#include "cuda/kernel.cuh"

// The architectures this file is compiled for, such as "75 80 90".
#ifndef MBRL_CUDA_ARCHITECTURES
#define MBRL_CUDA_ARCHITECTURES "unknown architectures"
#endif

namespace mbrl::gpu {
namespace {

std::atomic<int> device_in_use = -1;
// Many learners run at once. What waits for the whole device, as freeing memory does, breaks the graph
// that another thread records (error 900), whatever the mode of the recording: taken alone by who
// records, shared by who allocates, frees, or makes or destroys a graph.
std::shared_mutex recording;
thread_local bool records = false;

// A thread that records holds the mutex: CUDA refuses what it should not call.
std::shared_lock<std::shared_mutex> while_nobody_records() {
  return records ? std::shared_lock<std::shared_mutex>() : std::shared_lock(recording);
}

void end_recording() {
  records = false;
  recording.unlock();
}

std::atomic<const char*> last_launched = "";  // for the text of a late error
std::atomic<bool> early_starts = false;

void check(cudaError_t error, const char* expression, const char* file, int line) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // clears what is not sticky
  throw call_failed(expression,
                    std::string(cudaGetErrorName(error)) + ", " + cudaGetErrorString(error),
                    last_launched.load(), file, line);
}

#define MBRL_CUDA(expression) check((expression), #expression, __FILE__, __LINE__)

cudaStream_t as_stream(void* stream) { return static_cast<cudaStream_t>(stream); }

__global__ void probe_kernel() {}

// What CUDA reads once, at its first call; the user's own setting stays. The first device is opened
// before learners have threads, so nobody reads the environment meanwhile.
void prepare_environment() {
  // a stream for each of many learners: with the usual 8 queues they would wait for each other
  static const int done = setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", /*overwrite=*/0);
  (void)done;
}

}  // namespace

int device_count(std::string& why) {
  prepare_environment();
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  // the count is left untouched on failure
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return count;
  cudaGetLastError();
  if (driver == 0) {
    why = "no NVIDIA driver is loaded";
  } else if (error == cudaErrorInsufficientDriver) {
    why = driver_too_old(driver, runtime);
  } else if (error == cudaErrorNoDevice || error == cudaSuccess) {
    why = "the driver shows no GPU (is CUDA_VISIBLE_DEVICES empty?)";
  } else {
    why = cudaGetErrorString(error);
  }
  return 0;
}

GpuInfo info(int device) {
  cudaDeviceProp p{};
  MBRL_CUDA(cudaGetDeviceProperties(&p, device));
  GpuInfo i;
  i.name = p.name;
  i.compute_capability = 10 * p.major + p.minor;
  i.num_sms = p.multiProcessorCount;
  i.total_bytes = p.totalGlobalMem;
  if (device == device_in_use) MBRL_CUDA(cudaMemGetInfo(&i.free_bytes, &i.total_bytes));
  MBRL_CUDA(cudaDriverGetVersion(&i.driver_version));
  MBRL_CUDA(cudaRuntimeGetVersion(&i.runtime_version));
  return i;
}

void use_device(int device) {
  MBRL_CUDA(cudaSetDevice(device));
  // whether this binary holds code for the GPU shows with the first kernel
  cudaFuncAttributes attributes{};
  const cudaError_t error = cudaFuncGetAttributes(&attributes, probe_kernel);
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction) {
    cudaGetLastError();
    throw unsupported_architecture(info(device).name, info(device).compute_capability,
                                   MBRL_CUDA_ARCHITECTURES);
  }
  check(error, "cudaFuncGetAttributes(probe)", __FILE__, __LINE__);
  int major = 0, driver = 0;
  MBRL_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  MBRL_CUDA(cudaDriverGetVersion(&driver));
  early_starts = major >= 9 && driver >= 12030 && CUDART_VERSION >= 12030;
  device_in_use = device;
}

bool starts_early() { return early_starts; }

bool in_use() { return device_in_use >= 0; }

void* allocate_device(std::size_t bytes, const char* name) {
  const auto lock = while_nobody_records();
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    std::size_t free_bytes = 0, total_bytes = 0;
    MBRL_CUDA(cudaMemGetInfo(&free_bytes, &total_bytes));
    throw out_of_memory(name, bytes, free_bytes, total_bytes, device_in_use);
  }
  check(error, "cudaMalloc", __FILE__, __LINE__);
  return data;
}

void* allocate_pinned(std::size_t bytes, const char*) {
  const auto lock = while_nobody_records();
  void* data = nullptr;
  MBRL_CUDA(cudaHostAlloc(&data, bytes, cudaHostAllocPortable | cudaHostAllocMapped));
  return data;
}

// both wait for the whole device; errors of an earlier launch may surface here: they are reported by
// the next call that can throw
void free_device(void* data) noexcept {
  const auto lock = while_nobody_records();
  cudaFree(data);
}
void free_pinned(void* data) noexcept {
  const auto lock = while_nobody_records();
  cudaFreeHost(data);
}

void* create_stream() {
  cudaStream_t stream = nullptr;
  MBRL_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

void destroy_stream(void* stream) noexcept { cudaStreamDestroy(as_stream(stream)); }

void* create_event() {
  cudaEvent_t event = nullptr;
  MBRL_CUDA(cudaEventCreateWithFlags(&event, cudaEventBlockingSync | cudaEventDisableTiming));
  return event;
}

void destroy_event(void* event) noexcept { cudaEventDestroy(static_cast<cudaEvent_t>(event)); }

void synchronize(void* stream, void* event) {
  if (event == nullptr) {
    MBRL_CUDA(cudaStreamSynchronize(as_stream(stream)));
    return;
  }
  const auto reached = static_cast<cudaEvent_t>(event);
  MBRL_CUDA(cudaEventRecord(reached, as_stream(stream)));
  MBRL_CUDA(cudaEventSynchronize(reached));
}

void order_after(void* stream, void* earlier, void* event) {
  const auto reached = static_cast<cudaEvent_t>(event);
  MBRL_CUDA(cudaEventRecord(reached, as_stream(earlier)));
  MBRL_CUDA(cudaStreamWaitEvent(as_stream(stream), reached, 0));
}

void copy_async(void* to, const void* from, std::size_t bytes, void* stream) {
  if (bytes == 0) return;
  MBRL_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, as_stream(stream)));
}

void copy_and_wait(void* to, const void* from, std::size_t bytes) {
  // the thread's own stream, where no learner works. The copy may return before bytes from pageable
  // memory, or from the device to itself, have arrived: only a wait says that they have.
  MBRL_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, cudaStreamPerThread));
  MBRL_CUDA(cudaStreamSynchronize(cudaStreamPerThread));
}

void begin_capture(void* stream) {
  recording.lock();
  const cudaError_t begun =
      cudaStreamBeginCapture(as_stream(stream), cudaStreamCaptureModeThreadLocal);
  records = begun == cudaSuccess;
  if (!records) recording.unlock();
  check(begun, "cudaStreamBeginCapture", __FILE__, __LINE__);
}

void* end_capture(void* stream, std::size_t& num_nodes) {
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(as_stream(stream), &graph);
  end_recording();
  check(ended, "cudaStreamEndCapture", __FILE__, __LINE__);
  const auto lock = while_nobody_records();
  MBRL_CUDA(cudaGraphGetNodes(graph, nullptr, &num_nodes));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check(error, "cudaGraphInstantiate", __FILE__, __LINE__);
  return executable;
}

void abandon_capture(void* stream) noexcept {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(as_stream(stream), &graph);
  end_recording();
  const auto lock = while_nobody_records();
  if (graph != nullptr) cudaGraphDestroy(graph);
  cudaGetLastError();
}

void launch_graph(void* graph, void* stream) {
  last_launched = "a recorded graph";
  MBRL_CUDA(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), as_stream(stream)));
}

void destroy_graph(void* graph) noexcept {
  const auto lock = while_nobody_records();
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
}

void check_launch(const char* name) { check_result(name, cudaGetLastError()); }

void check_result(const char* name, int error) {
  last_launched = name;
  check(static_cast<cudaError_t>(error), name, __FILE__, __LINE__);
}

void* open_library(const char* name, std::string& why) {
  void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) why = dlerror();
  return library;
}

std::size_t shared_memory_limit() {
  int bytes = 0;
  MBRL_CUDA(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device_in_use));
  return static_cast<std::size_t>(bytes);
}

void allow_shared_memory(const void* kernel, const char* name, std::size_t bytes) {
  const std::size_t limit = shared_memory_limit();
  if (bytes > limit) throw too_little_shared_memory(name, bytes, limit);
  // the limit belongs to the kernel, not to the launch: learners of other sizes may be about to
  // launch it too
  MBRL_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(limit)));
}

}  // namespace mbrl::gpu
