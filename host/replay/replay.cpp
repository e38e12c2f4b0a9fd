#include "host/replay/replay.h"

#include <algorithm>

namespace mbrl {

Replay::Replay(Stream& stream, TransitionLayout layout, std::size_t capacity, std::size_t reserve,
               const char* name)
    : layout_(layout),
      capacity_(capacity),
      name_(name),
      records_(std::max(capacity, reserve) * static_cast<std::size_t>(layout.pitch()),
               stream.memory(), name) {}

void Replay::append(Stream& stream, const float* records, std::size_t count) {
  const auto pitch = static_cast<std::size_t>(layout_.pitch());
  // runs of slots, cut where the ring wraps
  for (std::size_t done = 0; done < count;) {
    const std::size_t slot = (head_ + done) % capacity_;
    const std::size_t run = std::min(count - done, capacity_ - slot);
    copy(stream, records_.data() + slot * pitch, records + done * pitch, run * pitch);
    done += run;
  }
  stream.synchronize();
  commit(count);
}

void Replay::commit(std::size_t count) {
  head_ = (head_ + count) % capacity_;
  size_ = std::min(size_ + count, capacity_);
  num_written_ += count;
}

void Replay::set_capacity(std::size_t capacity) {
  if (capacity == capacity_) return;
  const auto pitch = static_cast<std::size_t>(layout_.pitch());
  const auto bytes = [&](std::size_t records) { return records * pitch * sizeof(float); };
  if (capacity > capacity_) {
    // a ring that has wrapped: oldest first, so that a later shrink knows the newest
    if (size_ == capacity_ && head_ != 0) {
      Buffer<float> ordered(records_.size(), records_.memory(), name_);
      const std::size_t old = size_ - head_;
      copy_memory(ordered.data(), records_.data() + head_ * pitch, bytes(old));
      copy_memory(ordered.data() + old * pitch, records_.data(), bytes(head_));
      records_ = std::move(ordered);
    }
    if (capacity * pitch > records_.size()) {
      Buffer<float> larger(capacity * pitch, records_.memory(), name_);
      copy_memory(larger.data(), records_.data(), bytes(size_));
      records_ = std::move(larger);
    }
    head_ = size_;
  } else {
    // the newest, oldest of them first
    const std::size_t kept = std::min(size_, capacity);
    const std::size_t oldest = size_ == capacity_ ? head_ : 0;
    Buffer<float> ordered(records_.size(), records_.memory(), name_);
    for (std::size_t done = 0; done < kept;) {
      const std::size_t from = (oldest + size_ - kept + done) % size_;
      const std::size_t run = std::min(kept - done, size_ - from);
      copy_memory(ordered.data() + done * pitch, records_.data() + from * pitch, bytes(run));
      done += run;
    }
    records_ = std::move(ordered);
    size_ = kept;
    head_ = size_ % capacity;
  }
  capacity_ = capacity;
}

TransitionsView Replay::newest(Stream& stream, std::size_t count) {
  count = std::min(count, size_);
  const auto pitch = static_cast<std::size_t>(layout_.pitch());
  if (size_ < capacity_ || head_ == 0 || count <= head_) {
    // the end of what was written
    const std::size_t end = size_ < capacity_ ? size_ : head_ == 0 ? capacity_ : head_;
    return {records_.data() + (end - count) * pitch, layout_, count};
  }
  if (newest_.size() < count * pitch)
    newest_ = Buffer<float>(count * pitch, records_.memory(), name_);
  const std::size_t old = count - head_;
  copy(stream, newest_.data(), records_.data() + (capacity_ - old) * pitch, old * pitch);
  copy(stream, newest_.data() + old * pitch, records_.data(), head_ * pitch);
  return {newest_.data(), layout_, count};
}

void Replay::visit(Archive& archive, const std::string& name, std::size_t max_capacity) {
  std::size_t capacity = capacity_;
  archive.value("capacity", capacity, 1, max_capacity);
  if (archive.loading()) {
    size_ = head_ = 0;  // what is there need not move
    set_capacity(capacity);
  }
  archive.value("size", size_, 0, capacity_);
  archive.value("head", head_, 0, capacity_ - 1);
  archive.value("num_written", num_written_, 0, static_cast<std::uint64_t>(kMaxCount) * 1000000);
  archive.replay(
      tensor_ref(name, records_.data(),
                 {static_cast<std::int64_t>(size_), static_cast<std::int64_t>(layout_.pitch())},
                 records_.memory()));
}

}  // namespace mbrl
