// A ring of transitions on the stream's device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "host/io/archive.h"
#include "kernels/data/transition.h"
#include "kernels/stages/rollout/rollout.h"

namespace mbrl {

/// Keeps the newest `capacity` transitions. Memory is taken for `reserve` of them at once, so that
/// the capacity may follow a schedule without moving data; pages are only used once written.
class Replay {
 public:
  Replay(Stream& stream, TransitionLayout layout, std::size_t capacity, std::size_t reserve,
         const char* name);

  const TransitionLayout& layout() const { return layout_; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  std::uint64_t num_written() const { return num_written_; }

  TransitionsView view() const { return {records_.data(), layout_, size_}; }

  /// Appends records [count, pitch], which lie on the host and may change when this returns: waits
  /// for the stream.
  void append(Stream& stream, const float* records, std::size_t count);

  /// Where a stage writes records itself; then tell how many it wrote.
  RingView ring() { return {records_.data(), capacity_, head_}; }
  void commit(std::size_t count);

  /// Changes the capacity. Growing goes on after the records, shrinking keeps the newest; both put
  /// them in the order of their age (the reference, jannerm/mbpo:mbpo/algorithms/mbpo.py, loses it
  /// where a ring that has wrapped grows). Rare: takes a second buffer for the moment where records
  /// move, and waits for the device.
  void set_capacity(std::size_t capacity);

  /// The newest records, at most `count`, oldest first. Where they lie on both sides of the ring's
  /// end they are copied into memory of their own, which is taken at the first such call for the
  /// largest count so far. Valid until the replay changes.
  TransitionsView newest(Stream& stream, std::size_t count);

  /// The counters, and the valid records as one tensor [size, pitch] called `name`. A capacity
  /// beyond `max_capacity` is no state of this run.
  void visit(Archive& archive, const std::string& name, std::size_t max_capacity);

 private:
  TransitionLayout layout_;
  std::size_t capacity_;
  std::size_t size_ = 0, head_ = 0;
  std::uint64_t num_written_ = 0;
  const char* name_;
  Buffer<float> records_;
  Buffer<float> newest_;  // where they wrap
};

}  // namespace mbrl
