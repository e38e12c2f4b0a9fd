// Tests for kernels/cpu/parallel.h.
#include "kernels/cpu/parallel.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(ParallelRangesTest, CoverEveryIndexOnce) {
  TestStream stream(4);
  for (const std::size_t count : {0u, 1u, 9u, 10u, 11u, 20u, 105u}) {
    std::vector<int> seen(count);
    parallel_ranges(stream, count, 10, [&](std::size_t begin, std::size_t end) {
      EXPECT_EQ(begin % 10, 0u);
      EXPECT_LE(end - begin, 10u);
      ASSERT_LE(end, count);
      for (std::size_t i = begin; i < end; ++i) ++seen[i];
    });
    EXPECT_EQ(seen, std::vector<int>(count, 1));
  }
}

TEST(ParallelRangesTest, OneRangeStaysInTheCallingThread) {
  TestStream stream(4);
  // so that tasks may run small operations: this would deadlock or trap otherwise
  std::vector<int> calls(8);
  stream.pool.parallel_for(8, [&](int i) {
    parallel_ranges(stream, 10, 10,
                    [&](std::size_t, std::size_t) { ++calls[static_cast<std::size_t>(i)]; });
  });
  EXPECT_EQ(calls, std::vector<int>(8, 1));
}

}  // namespace
}  // namespace mbrl
