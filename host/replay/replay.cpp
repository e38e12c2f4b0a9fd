#include "host/replay/replay.h"

#include <algorithm>
#include <nlohmann/json.hpp>

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

nlohmann::json Replay::state() const {
  return {{"capacity", capacity_}, {"size", size_}, {"head", head_}, {"num_written", num_written_}};
}

void Replay::set_state(const nlohmann::json& state) {
  set_capacity(state.at("capacity"));
  size_ = state.at("size");
  head_ = state.at("head");
  num_written_ = state.at("num_written");
}

TensorRef Replay::tensor(const std::string& name) {
  return tensor_ref(name, records_.data(),
                    {static_cast<std::int64_t>(size_), static_cast<std::int64_t>(layout_.pitch())},
                    records_.memory());
}

}  // namespace mbrl
