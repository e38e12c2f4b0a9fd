// Calls as recorded graphs: what varies from call to call travels in a plan that kernels read from
// memory, what they find out comes back in one copy, and each kind of call is recorded once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/graph.h"
#include "kernels/formulas/adam.h"

namespace mbrl::gpu {

/// What a call decides, a T, followed by the Adam constants of each of its steps: written on the
/// host in pinned memory, brought to the device by the call's first node, a copy or a kernel.
template <typename T>
class Plan {
  static_assert(alignof(T) == 16 && sizeof(T) % alignof(AdamStep) == 0);

 public:
  /// `name` appears in errors about memory.
  explicit Plan(const char* name) : name_(name) {}

  /// Room for `num_steps` steps. It grows; true if it did: the addresses are new.
  bool reserve(std::size_t num_steps) {
    if (num_steps <= max_steps_ && host_.size() > 0) return false;
    max_steps_ = num_steps;
    host_ = Buffer<std::byte>(bytes(max_steps_), Memory::kPinned, name_);
    device_ = Buffer<std::byte>(bytes(max_steps_), Memory::kDevice, name_);
    return true;
  }
  std::size_t max_steps() const { return max_steps_; }

  /// The host's side, for the next call.
  T& value() { return *reinterpret_cast<T*>(host_.data()); }
  /// Constants of `num_steps` steps after `done` earlier ones.
  void set_steps(const AdamConstants& constants, std::int64_t done, std::size_t num_steps) {
    auto* steps = reinterpret_cast<AdamStep*>(host_.data() + sizeof(T));
    for (std::size_t i = 0; i < num_steps; ++i)
      steps[i] = adam_step_constants(constants, done + 1 + static_cast<std::int64_t>(i));
  }

  void copy(Stream& stream, std::size_t num_steps) {
    copy_async(device_.data(), host_.data(), bytes(num_steps), stream.handle());
  }

  /// For a kernel that brings the plan itself: the host's side, and its 32-bit words.
  const T* mapped() const { return reinterpret_cast<const T*>(host_.data()); }
  static int num_words(std::size_t num_steps) {
    return static_cast<int>(bytes(num_steps) / sizeof(std::uint32_t));
  }

  /// The device's side.
  T* on_device() { return reinterpret_cast<T*>(device_.data()); }
  const AdamStep* steps_on_device() const {
    return reinterpret_cast<const AdamStep*>(device_.data() + sizeof(T));
  }

 private:
  static std::size_t bytes(std::size_t num_steps) {
    return sizeof(T) + num_steps * sizeof(AdamStep);
  }

  const char* name_;
  std::size_t max_steps_ = 0;
  Buffer<std::byte> host_, device_;
};

/// What each step of a call says, a T: kernels write it in device memory, and the call's last node
/// copies it to the host. Written to the host directly, it would hold up the end of every kernel.
template <typename T>
class StepResults {
 public:
  /// `name` appears in errors about memory.
  explicit StepResults(const char* name) : name_(name) {}

  /// Room for `num_steps` steps; what was there is lost.
  void resize(std::size_t num_steps) {
    device_ = Buffer<T>(num_steps, Memory::kDevice, name_);
    host_ = Buffer<T>(num_steps, Memory::kPinned, name_);
  }
  std::size_t size() const { return host_.size(); }

  T* on_device() { return device_.data(); }
  void copy(Stream& stream, std::size_t num_steps) {
    copy_async(host_.data(), device_.data(), num_steps * sizeof(T), stream.handle());
  }
  /// The host's side, after the stream has been waited for.
  const T* data() const { return host_.data(); }
  const T& operator[](std::size_t step) const { return host_[step]; }

 private:
  const char* name_;
  Buffer<T> device_, host_;
};

/// Recordings of a call, one per Key: what a recording depends on besides memory. All are dropped
/// when the addresses that they hold change.
template <typename Key, typename Addresses>
class Recorded {
 public:
  void clear() { recordings_.clear(); }

  /// Runs issue() through the graph of `key`. `addresses` are those of the caller's arrays.
  template <typename Issue>
  void run(Stream& stream, const Addresses& addresses, const Key& key, Issue&& issue) {
    if (addresses != addresses_) clear();
    addresses_ = addresses;
    auto recording = std::find_if(recordings_.begin(), recordings_.end(),
                                  [&](const Recording& r) { return r.key == key; });
    if (recording == recordings_.end())
      recording = recordings_.insert(recording, Recording{key, {}});
    recording->graph.run(stream, std::forward<Issue>(issue));
  }

 private:
  struct Recording {
    Key key;
    Graph graph;
  };
  std::vector<Recording> recordings_;
  Addresses addresses_{};
};

}  // namespace mbrl::gpu
