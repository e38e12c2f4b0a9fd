#include "host/replay/replay.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace mbrl {

Replay::Replay(TransitionLayout layout, std::size_t capacity, std::size_t reserve)
    : layout_(layout),
      capacity_(capacity),
      records_(std::max(capacity, reserve) * static_cast<std::size_t>(layout.pitch())) {}

void Replay::append(const float* records, std::size_t count) {
  const auto pitch = static_cast<std::size_t>(layout_.pitch());
  for (std::size_t i = 0; i < count; ++i)
    std::copy_n(records + i * pitch, pitch, records_.data() + (head_ + i) % capacity_ * pitch);
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
  if (capacity > capacity_) {
    if (capacity * pitch > records_.size()) {
      Buffer<float> larger(capacity * pitch);
      std::copy_n(records_.data(), size_ * pitch, larger.data());
      records_ = std::move(larger);
    }
    head_ = size_;
  } else {
    // oldest first, then drop from the front
    if (size_ == capacity_)
      std::rotate(records_.data(), records_.data() + head_ * pitch,
                  records_.data() + size_ * pitch);
    const std::size_t dropped = size_ > capacity ? size_ - capacity : 0;
    std::copy(records_.data() + dropped * pitch, records_.data() + size_ * pitch, records_.data());
    size_ -= dropped;
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
                    {static_cast<std::int64_t>(size_), static_cast<std::int64_t>(layout_.pitch())});
}

}  // namespace mbrl
