#include "cuda/emulator/runtime.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <ostream>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cuda/gpu.h"
#include "cuda/gpu_errors.h"
#include "cuda/kernel.cuh"
#include "cuda/sort.h"

namespace mbrl {
namespace {

using Work = std::function<void()>;

struct EmulatedStream {
  bool recording = false;
  std::vector<Work> recorded;
  std::vector<Work> waiting;  // issued and not done yet, where work is late
};

struct EmulatedGraph {
  std::vector<Work> nodes;
};

bool device_used = false;
std::size_t device_limit = std::size_t{4} << 30;
std::atomic<std::size_t> device_taken = 0;
std::atomic<long> calls_left = -1;
std::string planted_kernel;  // an error that a test plants after its launches
std::function<void()> planted_change;
std::atomic<long> issued = 0;
std::atomic<bool> libraries_hidden = false;
std::atomic<bool> is_late = false;
std::string refusal;

struct {
  std::atomic<long> launches, copies, graph_launches, recordings, waits, allocations, frees, orders;
} num_calls;

// all there are; finish_all() is for when everything is waited for
std::mutex streams_mutex;
std::set<EmulatedStream*> streams;

constexpr std::size_t kLargeBlock = std::size_t{16} << 20;

// Device memory: pages that only launches and copies may touch. Each allocation ends at the end of
// a page, with an untouchable page after it, and addresses are never used again.
class DeviceMemory {
 public:
  void* take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t pages = (bytes + page - 1) / page * page;
    void* base = mmap(nullptr, pages + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    // NaN; a library's workspace stays untouched, since protecting pages in use takes time
    if (bytes < kLargeBlock) std::memset(base, 0xff, pages);
    mprotect(static_cast<char*>(base) + pages, page, PROT_NONE);
    // as near to the guard page as alignment allows
    char* data = static_cast<char*>(base) + (pages - bytes) / 256 * 256;
    blocks_[data] = {base, pages, page};
    if (depth_ == 0) mprotect(base, pages, PROT_NONE);
    return data;
  }

  std::size_t give_back(void* data) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(static_cast<char*>(data));
    const Block block = found->second;
    munmap(block.base, block.pages + block.guard);
    blocks_.erase(found);
    return block.pages;
  }

  void open() { change(+1, PROT_READ | PROT_WRITE); }
  void close() { change(-1, PROT_NONE); }

 private:
  struct Block {
    void* base;
    std::size_t pages, guard;
  };

  void change(int step, int protection) {
    const std::lock_guard lock(mutex_);
    depth_ += step;
    if (depth_ != (step > 0 ? 1 : 0)) return;
    for (const auto& [data, block] : blocks_) mprotect(block.base, block.pages, protection);
  }

  std::mutex mutex_;
  std::map<char*, Block> blocks_;
  int depth_ = 0;
};

DeviceMemory& device_memory() {
  static DeviceMemory& memory = *new DeviceMemory;  // outlives buffers of static duration
  return memory;
}

struct DeviceAccess {
  DeviceAccess() { device_memory().open(); }
  ~DeviceAccess() { device_memory().close(); }
};

void count_call(const char* expression) {
  if (calls_left < 0) return;
  if (calls_left-- > 0) return;
  calls_left = -1;
  throw gpu::call_failed(expression, "cudaErrorLaunchFailure, unspecified launch failure",
                         "an injected fault", "cuda/emulator/runtime.cpp", __LINE__);
}

void run(const Work& work) {
  const DeviceAccess access;
  ++issued;
  work();
}

void finish(EmulatedStream& stream) {
  if (stream.waiting.empty()) return;
  const DeviceAccess access;  // once for all of it
  for (const Work& work : std::exchange(stream.waiting, {})) run(work);
}

// what waits for the whole device
void finish_all() {
  if (!is_late) return;
  const std::lock_guard lock(streams_mutex);
  for (EmulatedStream* stream : streams) finish(*stream);
}

}  // namespace

namespace emulator {

void issue_on(void* handle, Work work) {
  auto* stream = static_cast<EmulatedStream*>(handle);
  if (stream != nullptr && stream->recording) {
    stream->recorded.push_back(std::move(work));
  } else if (stream != nullptr && is_late) {
    stream->waiting.push_back(std::move(work));
  } else {
    run(work);
  }
}

Calls calls() {
  return {num_calls.launches, num_calls.copies,      num_calls.graph_launches, num_calls.recordings,
          num_calls.waits,    num_calls.allocations, num_calls.frees,          num_calls.orders};
}

Calls Calls::operator-(const Calls& before) const {
  return {launches - before.launches,
          copies - before.copies,
          graph_launches - before.graph_launches,
          recordings - before.recordings,
          waits - before.waits,
          allocations - before.allocations,
          frees - before.frees,
          orders - before.orders};
}

std::ostream& operator<<(std::ostream& out, const Calls& calls) {
  return out << calls.launches << " launches, " << calls.copies << " copies, "
             << calls.graph_launches << " graph launches, " << calls.recordings << " recordings, "
             << calls.waits << " waits, " << calls.allocations << " allocations, " << calls.frees
             << " frees, " << calls.orders << " streams put after another";
}

void set_late(bool late) {
  finish_all();
  is_late = late;
}

void refuse(std::string why) { refusal = std::move(why); }

void hide_libraries(bool hide) { libraries_hidden = hide; }

void plant_error(std::string name, std::function<void()> change) {
  planted_kernel = std::move(name);
  planted_change = std::move(change);
}

void set_device_memory(std::size_t bytes) { device_limit = bytes; }
void fail_after(long count) { calls_left = count; }
long num_issued() { return issued; }

void issue(Stream& stream, const char* name, const void* kernel, std::function<void()> work) {
  count_call("launch");
  static std::mutex mutex;
  static std::set<const void*> loaded;
  const auto* handle = static_cast<const EmulatedStream*>(stream.handle());
  const bool recording = handle != nullptr && handle->recording;
  {
    const std::lock_guard lock(mutex);
    const bool first = loaded.insert(kernel).second;
    if (first && recording)
      throw std::logic_error(std::string(name) + " is launched for the first time in a recording");
  }
  if (!recording) ++num_calls.launches;
  issue_on(stream.handle(), [name = std::string(name), work = std::move(work)] {
    work();
    if (!planted_kernel.empty() && name == planted_kernel) planted_change();
  });
}

}  // namespace emulator

namespace gpu {

int device_count(std::string&) { return 1; }

GpuInfo info(int) {
  return {"emulated GPU", 90, 1, device_limit, device_limit - device_taken, 13000, 13000};
}

void use_device(int) {
  if (!refusal.empty()) throw DeviceError(refusal);
  device_used = true;
}
bool in_use() { return device_used; }

std::size_t shared_memory_limit() { return emulator::shared_limit(); }

void* allocate_device(std::size_t bytes, const char* name) {
  count_call("cudaMalloc");
  ++num_calls.allocations;
  if (bytes > device_limit - device_taken)
    throw out_of_memory(name, bytes, device_limit - device_taken, device_limit, 0);
  device_taken += bytes;
  return device_memory().take(bytes);
}

void* allocate_pinned(std::size_t bytes, const char*) {
  ++num_calls.allocations;
  void* data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (data == nullptr) throw std::bad_alloc();
  std::memset(data, 0xff, bytes);
  return data;
}

void free_device(void* data) noexcept {
  ++num_calls.frees;
  finish_all();
  const std::size_t pages = device_memory().give_back(data);
  device_taken -= std::min(device_taken.load(), pages);
}
void free_pinned(void* data) noexcept {
  ++num_calls.frees;
  finish_all();
  std::free(data);
}

void* create_stream() {
  const std::lock_guard lock(streams_mutex);
  return *streams.insert(new EmulatedStream).first;
}

void destroy_stream(void* stream) noexcept {
  auto* s = static_cast<EmulatedStream*>(stream);
  finish(*s);
  const std::lock_guard lock(streams_mutex);
  streams.erase(s);
  delete s;
}

void* create_event() { return new char; }
void destroy_event(void* event) noexcept { delete static_cast<char*>(event); }

void synchronize(void* stream, void*) {
  count_call("cudaStreamSynchronize");
  ++num_calls.waits;
  auto& s = *static_cast<EmulatedStream*>(stream);
  if (s.recording)
    throw call_failed("cudaStreamSynchronize", "cudaErrorStreamCaptureUnsupported", "",
                      "cuda/emulator/runtime.cpp", __LINE__);
  finish(s);
}

void order_after(void*, void* earlier, void*) {
  count_call("cudaStreamWaitEvent");
  ++num_calls.orders;
  finish(*static_cast<EmulatedStream*>(earlier));
}

void copy_async(void* to, const void* from, std::size_t bytes, void* stream) {
  if (bytes == 0) return;
  count_call("cudaMemcpyAsync");
  if (!static_cast<EmulatedStream*>(stream)->recording) ++num_calls.copies;
  emulator::issue_on(stream, [=] { std::memmove(to, from, bytes); });
}

void copy_and_wait(void* to, const void* from, std::size_t bytes) {
  count_call("cudaMemcpyAsync");
  ++num_calls.copies;
  ++num_calls.waits;
  const DeviceAccess access;
  std::memmove(to, from, bytes);
}

void begin_capture(void* stream) {
  auto& s = *static_cast<EmulatedStream*>(stream);
  s.recording = true;
  s.recorded.clear();
}

void* end_capture(void* stream, std::size_t& num_nodes) {
  auto& s = *static_cast<EmulatedStream*>(stream);
  ++num_calls.recordings;
  s.recording = false;
  num_nodes = s.recorded.size();
  return new EmulatedGraph{std::move(s.recorded)};
}

void abandon_capture(void* stream) noexcept {
  auto& s = *static_cast<EmulatedStream*>(stream);
  s.recording = false;
  s.recorded.clear();
}

void launch_graph(void* graph, void* stream) {
  count_call("cudaGraphLaunch");
  ++num_calls.graph_launches;
  const DeviceAccess access;  // once for all nodes
  for (const Work& node : static_cast<EmulatedGraph*>(graph)->nodes)
    emulator::issue_on(stream, node);
}

void destroy_graph(void* graph) noexcept { delete static_cast<EmulatedGraph*>(graph); }

// the fakes are part of the program, where they are linked
void* open_library(const char* name, std::string& why) {
  const std::string_view file = name;
  const char* symbol = file.find("cublasLt") != file.npos ? "cublasLtCreate"
                       : file.find("cudnn") != file.npos  ? "cudnnCreate"
                                                          : nullptr;
  void* program = dlopen(nullptr, RTLD_NOW);
  if (!libraries_hidden && symbol != nullptr && dlsym(program, symbol) != nullptr) return program;
  why = std::string(file) + ": cannot open shared object file: No such file or directory";
  return nullptr;
}

std::size_t sort_scratch_bytes(std::size_t count) { return count; }

void sort_u64(Stream& stream, Vector<std::uint64_t> out, Vector<const std::uint64_t> keys,
              int begin_bit, Buffer<std::byte>&) {
  emulator::issue(stream, "sort_u64", reinterpret_cast<const void*>(&sort_u64), [=] {
    std::copy_n(keys.data, keys.size(), out.data);
    std::stable_sort(out.data, out.data + out.size(), [=](std::uint64_t a, std::uint64_t b) {
      return a >> begin_bit < b >> begin_bit;
    });
  });
}

}  // namespace gpu
}  // namespace mbrl
