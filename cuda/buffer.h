// Owning memory and the views that are passed to operations.
//
// Sizes are decided at start-up and reused: nothing on the training path allocates.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/hd.h"
#include "cuda/memory.h"

namespace mbrl {

/// A non-owning array of `rank` dimensions, row-major and contiguous. Copied by value into kernels.
template <typename T, int kRank>
struct View {
  T* data = nullptr;
  std::array<int, kRank> shape{};

  View() = default;
  template <typename... Sizes>
  requires(sizeof...(Sizes) == kRank) MBRL_HD View(T* pointer, Sizes... sizes)
      : data(pointer), shape{static_cast<int>(sizes)...} {}
  // a writable view may be read
  template <typename U>
  requires(std::is_same_v<const U, T>) View(const View<U, kRank>& other)
      : data(other.data), shape(other.shape) {}

  MBRL_HD int size(int axis = 0) const { return shape[axis]; }
  MBRL_HD std::size_t count() const {
    std::size_t product = 1;
    for (int axis = 0; axis < kRank; ++axis) product *= static_cast<std::size_t>(shape[axis]);
    return product;
  }
  MBRL_HD T& operator[](std::size_t i) const { return data[i]; }

  /// Row `i` of a matrix.
  MBRL_HD T* row(int i) const { return data + static_cast<std::size_t>(i) * shape[kRank - 1]; }
};

template <typename T>
using Vector = View<T, 1>;
template <typename T>
using Matrix = View<T, 2>;

/// Owns `size` elements of plain data, at least 64-byte aligned and uninitialized, where `memory`
/// says. Movable, not copyable. Elements of device memory are reached through copy() alone.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  /// `name` appears in the error when there is no memory left.
  explicit Buffer(std::size_t size, Memory memory = Memory::kHost, const char* name = "buffer")
      : data_(static_cast<T*>(allocate_memory(memory, size * sizeof(T), name))),
        size_(size),
        memory_(memory) {}
  Buffer(std::size_t size, T value, Memory memory = Memory::kHost, const char* name = "buffer")
      : Buffer(size, memory, name) {
    fill(value);
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        memory_(other.memory_) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~Buffer() { free_memory(memory_, data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  Memory memory() const { return memory_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

  /// As copy_memory on the GPU.
  void fill(T value) {
    if (memory_ == Memory::kDevice) {
      const std::vector<T> values(size_, value);
      copy_memory(data_, values.data(), size_ * sizeof(T));
      return;
    }
    for (std::size_t i = 0; i < size_; ++i) data_[i] = value;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
  Memory memory_ = Memory::kHost;
};

/// All of the buffer on the host, as copy_memory.
template <typename T>
std::vector<T> to_host(const Buffer<T>& buffer) {
  std::vector<T> values(buffer.size());
  copy_memory(values.data(), buffer.data(), buffer.size() * sizeof(T));
  return values;
}
template <typename T>
void from_host(Buffer<T>& buffer, const std::vector<T>& values) {
  copy_memory(buffer.data(), values.data(), values.size() * sizeof(T));
}

}  // namespace mbrl
