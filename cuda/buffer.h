// Owning memory and the views that are passed to operations.
//
// Sizes are decided at start-up and reused: nothing on the training path allocates. Memory comes
// untouched from the system, so a large replay costs only the pages it has filled.
#pragma once

#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

#include "cuda/hd.h"

namespace mbrl {

/// A non-owning array of `rank` dimensions, row-major and contiguous. Copied by value into kernels.
template <typename T, int kRank>
struct View {
  T* data = nullptr;
  std::array<int, kRank> shape{};

  View() = default;
  template <typename... Sizes>
  requires(sizeof...(Sizes) == kRank) View(T* pointer, Sizes... sizes)
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

/// Owns `size` elements of plain data, 64-byte aligned and uninitialised. Movable, not copyable.
/// Large ones ask for huge pages: replay rows are read at random, and small pages cost a miss each.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    const std::size_t alignment = size * sizeof(T) < kHugePage ? kAlignment : kHugePage;
    const std::size_t bytes = (size * sizeof(T) + alignment - 1) / alignment * alignment;
    data_ = static_cast<T*>(std::aligned_alloc(alignment, bytes));
    if (data_ == nullptr) throw std::bad_alloc();
    if (alignment == kHugePage) madvise(data_, bytes, MADV_HUGEPAGE);  // a wish; may be refused
  }
  Buffer(std::size_t size, T value) : Buffer(size) { fill(value); }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() { std::free(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

  void fill(T value) {
    for (std::size_t i = 0; i < size_; ++i) data_[i] = value;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace mbrl
