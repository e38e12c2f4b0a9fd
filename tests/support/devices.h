// One body of a test for every device: which ones a program tests, and copies there and back.
//
// A program that is linked with a GPU tests the GPU, all others the CPU: test_kernels runs each
// case on the CPU, test_emulated and test_gpu the same case on a GPU.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/stages/check/host_twin.h"
#include "tests/support/gpu.h"

namespace mbrl {

enum class On { kCpu, kGpu };
inline void PrintTo(On on, std::ostream* out) { *out << (on == On::kGpu ? "gpu" : "cpu"); }

/// The devices this program tests. A GPU that is linked but not present counts: its tests say that
/// they were skipped.
inline std::vector<On> available_devices() { return {gpu::linked() ? On::kGpu : On::kCpu}; }

inline On device_of(On on) { return on; }
template <typename... More>
On device_of(const std::tuple<On, More...>& parameter) {
  return std::get<0>(parameter);
}

/// Base of tests whose parameter is a device, or a tuple that starts with one.
template <typename Param = On>
class DeviceTest : public testing::TestWithParam<Param> {
 protected:
  On on() const { return device_of(this->GetParam()); }

  void SetUp() override {
    if (on() == On::kCpu) return;
    std::string why;
    if (gpu::device_count(why) == 0) GTEST_SKIP() << "no GPU: " << why;
    gpu::use_device(0);
  }
};

/// Names a case by its parameters: gpu_33.
struct ParamName {
  template <typename Param>
  std::string operator()(const testing::TestParamInfo<Param>& info) const {
    return name(info.param);
  }

 private:
  template <typename T>
  static std::string name(const T& value) {
    std::string text = testing::PrintToString(value);
    for (char& c : text)
      if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return text;
  }
  template <typename First, typename... More>
  static std::string name(const std::tuple<First, More...>& values) {
    return std::apply([](const First& first,
                         const More&... more) { return (name(first) + ... + ("_" + name(more))); },
                      values);
  }
};

/// A stream on one device, over its own host threads.
struct DeviceStream {
  explicit DeviceStream(On on, int num_threads = 2)
      : pool(num_threads), stream(pool, on == On::kGpu ? Stream::Kind::kGpu : Stream::Kind::kCpu) {}
  ThreadPool pool;
  Stream stream;
  operator Stream&() { return stream; }
  Memory memory() const { return stream.memory(); }
};

/// Each array of an actor once.
template <MaybeConst<GaussianActor> Actor, typename Visit>
void for_each_array(Actor& actor, Visit&& visit) {
  for_each_array("actor", actor.parameters, visit);
}

/// A copy of an array of the host.
template <typename T>
Buffer<T> copy_to(Memory memory, const T* values, std::size_t count) {
  Buffer<T> copy(count, memory);
  copy_memory(copy.data(), values, count * sizeof(T));
  return copy;
}
template <typename T>
Buffer<T> copy_to(Memory memory, const std::vector<T>& values) {
  return copy_to(memory, values.data(), values.size());
}
template <typename T>
Buffer<T> copy_to(Memory memory, const Buffer<T>& values) {
  return copy_to(memory, values.data(), values.size());
}

/// A copy of a state of the host. take_over(host, copy) brings back what a stage has done.
template <typename State>
State copy_to(Memory memory, const State& host) {
  State copy = host_twin(host);
  take_over(copy, host);
  for_each_array(copy, [&](const char*, Buffer<float>& array) { array = copy_to(memory, array); });
  return copy;
}

}  // namespace mbrl
