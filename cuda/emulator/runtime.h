// The GPU runtime on host memory: what cuda/gpu.h declares, for the emulator.
//
// A program linked with it has one GPU, cuda:0, on which the kernels of the tree run as fibers.
// Device memory is out of reach between launches: a host access ends the program, as it would with
// a GPU. Captured work is recorded with its arguments and repeated, so that a value which should
// have been read from memory shows as a stale one.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>

namespace mbrl::emulator {

/// Device memory that allocations may take in all; at start 4 GiB. Tests lower it.
void set_device_memory(std::size_t bytes);

/// The next `count` calls of the runtime succeed, the one after fails as the device would in the
/// middle of a run; negative: never. At start: never.
void fail_after(long count);

/// Runs `change` after every launch of the kernel `name`, with device memory within its reach: an error
/// planted on purpose. An empty name plants none. Not while another thread launches.
void plant_error(std::string name, std::function<void()> change);

/// Launches and copies done so far, recorded ones counted when they are repeated.
long num_issued();

/// What the host has asked of the runtime: each is one call of CUDA where cuda/gpu_runtime.cu and
/// launch() are linked. What is recorded does not count, what repeats it does.
struct Calls {
  long launches = 0;  // of kernels one by one
  long copies = 0;
  long graph_launches = 0, recordings = 0;
  long waits = 0;  // for a stream
  long allocations = 0,
       frees = 0;   // of device and pinned memory; freeing waits for the whole device
  long orders = 0;  // of one stream after what another has so far: an event and a wait for it

  bool operator==(const Calls&) const = default;
  Calls operator-(const Calls& before) const;
};
std::ostream& operator<<(std::ostream& out, const Calls& calls);
/// So far, of all threads.
Calls calls();

/// Whether work is done as late as a GPU may do it, when its stream is waited for or memory is freed,
/// so that what does not wait reads what was there before. At start it is done when it is issued. Not
/// while several threads launch.
void set_late(bool late);

/// The reason why the GPU refuses this program from now on; "" for none.
void refuse(std::string why);

/// Work on a stream by its handle, done now or recorded: for the fake libraries, which know no
/// more. Device memory is within reach inside `work` alone.
void issue_on(void* stream, std::function<void()> work);

/// Whether gpu::open_library finds nothing, as on a machine without the libraries. At start the
/// fakes that are linked are found.
void hide_libraries(bool hide);

}  // namespace mbrl::emulator
