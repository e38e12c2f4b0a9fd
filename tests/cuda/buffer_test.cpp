// Tests for cuda/buffer.h.
#include "cuda/buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace mbrl {
namespace {

TEST(BufferTest, IsAlignedToCacheLinesAndLargeOnesToHugePages) {
  for (const std::size_t size : {1u, 3u, 17u, 1000u}) {
    const Buffer<float> buffer(size);
    EXPECT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0u);
  }
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const Buffer<float> large(kHugePage / sizeof(float) + 1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large.data()) % kHugePage, 0u);
}

TEST(BufferTest, EmptyOneHasNoMemory) {
  const Buffer<int> none, zero(0);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(zero.data(), nullptr);
  EXPECT_EQ(zero.size(), 0u);
  EXPECT_EQ(zero.begin(), zero.end());
}

TEST(BufferTest, FillsAndIterates) {
  Buffer<int> buffer(5, 7);
  EXPECT_EQ(std::vector<int>(buffer.begin(), buffer.end()), std::vector<int>(5, 7));
  buffer[2] = 9;
  const Buffer<int>& same = buffer;
  EXPECT_EQ(same[2], 9);
  buffer.fill(0);
  EXPECT_EQ(std::vector<int>(same.begin(), same.end()), std::vector<int>(5, 0));
}

TEST(BufferTest, MovesAndIsNotCopied) {
  static_assert(!std::is_copy_constructible_v<Buffer<int>>);
  static_assert(!std::is_copy_assignable_v<Buffer<int>>);
  Buffer<int> first(3, 1);
  const int* memory = first.data();
  Buffer<int> second(std::move(first));
  EXPECT_EQ(second.data(), memory);
  EXPECT_EQ(second.size(), 3u);
  Buffer<int> third(8, 2);
  third = std::move(second);
  EXPECT_EQ(third.data(), memory);
  EXPECT_EQ(third[2], 1);
}

TEST(ViewTest, RowsAreContiguous) {
  std::vector<float> data{0, 1, 2, 3, 4, 5};
  const Matrix<float> m(data.data(), 2, 3);
  EXPECT_EQ(m.size(0), 2);
  EXPECT_EQ(m.size(1), 3);
  EXPECT_EQ(m.count(), 6u);
  EXPECT_EQ(m.row(1)[0], 3.0f);
  m.row(1)[2] = 8.0f;
  EXPECT_EQ(data[5], 8.0f);
}

TEST(ViewTest, AWritableOneMayBeRead) {
  static_assert(std::is_convertible_v<Vector<float>, Vector<const float>>);
  static_assert(!std::is_convertible_v<Vector<const float>, Vector<float>>);
  std::vector<float> data{1, 2};
  const Vector<const float> view = Vector<float>(data.data(), 2);
  EXPECT_EQ(view[1], 2.0f);
}

TEST(ViewTest, CountsBeyondThirtyOneBits) {
  const Matrix<const float> m(nullptr, 100000, 100000);
  EXPECT_EQ(m.count(), std::size_t{10000000000});
}

TEST(ViewTest, ADefaultOneIsEmpty) {
  const Matrix<float> m;
  EXPECT_EQ(m.data, nullptr);
  EXPECT_EQ(m.count(), 0u);
}

}  // namespace
}  // namespace mbrl
