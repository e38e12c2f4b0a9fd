// Tests for kernels/data/permutation.{h,cpp}.
#include "kernels/data/permutation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

using Indices = std::vector<std::uint32_t>;
const RandomKey kKey{3, purpose::kShuffle, 1};

Indices permutation(std::size_t n, std::uint64_t step = 0, std::uint32_t lane = 0,
                    const RandomKey& key = kKey) {
  TestStream stream;
  PermutationScratch scratch;
  Indices out(n, 0xffffffffu);
  random_permutation(stream, vector_of(out), key, step, lane, scratch);
  return out;
}

Indices counting(std::size_t n) {
  Indices indices(n);
  std::iota(indices.begin(), indices.end(), 0u);
  return indices;
}

TEST(PermutationTest, HoldsEveryIndexOnce) {
  for (const std::size_t n : {0u, 1u, 2u, 31u, 33u, 257u, 100000u}) {
    Indices p = permutation(n);
    std::sort(p.begin(), p.end());
    EXPECT_EQ(p, counting(n)) << n;
  }
}

TEST(PermutationTest, IsTheOrderOfThePhiloxKeys) {
  // enough for keys that differ in their low bits only
  const Indices p = permutation(100000, 4, 2);
  for (std::size_t i = 1; i < p.size(); ++i) {
    const std::uint32_t before = kKey.bits(4, p[i - 1], 2).x, here = kKey.bits(4, p[i], 2).x;
    ASSERT_TRUE(before < here || (before == here && p[i - 1] < p[i])) << i;
  }
}

TEST(PermutationTest, EveryCoordinateGivesAnotherOrder) {
  const Indices p = permutation(100);
  EXPECT_EQ(permutation(100), p);
  EXPECT_NE(permutation(100, 1), p);
  EXPECT_NE(permutation(100, 0, 1), p);
  EXPECT_NE(permutation(100, 0, 0, {3, purpose::kShuffle, 2}), p);
}

TEST(PermutationTest, AllOrdersAreEquallyFrequent) {
  // 24 orders of four; chi-square with 23 degrees of freedom: 1 in 10^5 seeds exceeds 64
  TestStream stream;
  PermutationScratch scratch;
  std::map<Indices, int> count;
  Indices out(4);
  constexpr int kDraws = 24000;
  for (std::uint64_t step = 0; step < kDraws; ++step) {
    random_permutation(stream, vector_of(out), kKey, step, 0, scratch);
    ++count[out];
  }
  ASSERT_EQ(count.size(), 24u);
  double chi_square = 0.0;
  for (const auto& [order, c] : count) chi_square += (c - 1000.0) * (c - 1000.0) / 1000.0;
  EXPECT_LT(chi_square, 64.0);
}

TEST(PermutationTest, ScratchOfAnotherSizeChangesNothing) {
  TestStream stream;
  PermutationScratch scratch;
  Indices large(5000), small(300);
  random_permutation(stream, vector_of(large), kKey, 0, 0, scratch);
  random_permutation(stream, vector_of(small), kKey, 0, 0, scratch);
  EXPECT_EQ(small, permutation(300));
  random_permutation(stream, vector_of(large), kKey, 1, 0, scratch);
  EXPECT_EQ(large, permutation(5000, 1));
}

TEST(ShuffleTest, KeepsWhatItShuffles) {
  TestStream stream;
  PermutationScratch scratch;
  Indices in(1000), out(1000);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint32_t>(i % 37);
  shuffle_into(stream, vector_of(out), vector_of(std::as_const(in)), kKey, 0, 0, scratch);
  EXPECT_NE(out, in);
  const Indices order = permutation(1000);
  for (std::size_t i = 0; i < in.size(); ++i) EXPECT_EQ(out[i], in[order[i]]);
  std::sort(in.begin(), in.end());
  std::sort(out.begin(), out.end());
  EXPECT_EQ(out, in);
}

// one task per member, as model training does
TEST(ShuffleTest, TasksOfAnyNumberOfThreadsGiveTheSame) {
  const Indices in = counting(3000);
  std::vector<std::vector<Indices>> results;
  for (const int threads : {1, 2, 4}) {
    TestStream stream(threads);
    std::vector<Indices> out(7, Indices(in.size()));
    std::vector<PermutationScratch> scratch(7);
    stream.pool.parallel_for(7, [&](int member) {
      const auto e = static_cast<std::size_t>(member);
      shuffle_into(stream, vector_of(out[e]), vector_of(in), kKey, 5,
                   static_cast<std::uint32_t>(member), scratch[e]);
    });
    results.push_back(out);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
  EXPECT_NE(results[0][0], results[0][1]);
}

TEST(ShuffleTest, NamesTheLengths) {
  TestStream stream;
  PermutationScratch scratch;
  Indices three(3), two(2);
  EXPECT_EQ(error_text<ShapeError>([&] {
              shuffle_into(stream, vector_of(two), vector_of(std::as_const(three)), kKey, 0, 0,
                           scratch);
            }),
            "shuffle_into: out is [2], in is [3]; expected the same shape.");
}

TEST(DrawIndicesTest, AreUniform) {
  // chi-square with 99 degrees of freedom: 1 in 10^5 seeds exceeds 167
  TestStream stream;
  Indices out(100000);
  draw_indices(stream, vector_of(out), 100, kKey, 0, 0);
  std::vector<int> count(100);
  for (const std::uint32_t i : out) {
    ASSERT_LT(i, 100u);
    ++count[i];
  }
  double chi_square = 0.0;
  for (const int c : count) chi_square += (c - 1000.0) * (c - 1000.0) / 1000.0;
  EXPECT_LT(chi_square, 167.0);
}

TEST(DrawIndicesTest, NeighboursAreIndependent) {
  // pairs of successive draws from 10: chi-square with 99 degrees of freedom
  TestStream stream;
  Indices out(200000);
  draw_indices(stream, vector_of(out), 10, kKey, 1, 0);
  std::vector<int> count(100);
  for (std::size_t i = 0; i < out.size(); i += 2) ++count[out[i] * 10 + out[i + 1]];
  double chi_square = 0.0;
  for (const int c : count) chi_square += (c - 1000.0) * (c - 1000.0) / 1000.0;
  EXPECT_LT(chi_square, 167.0);
}

TEST(DrawIndicesTest, DependOnTheirPlaceOnly) {
  TestStream stream;
  Indices shorter(10), longer(100);
  draw_indices(stream, vector_of(shorter), 1000, kKey, 2, 1);
  draw_indices(stream, vector_of(longer), 1000, kKey, 2, 1);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
}

TEST(DrawIndicesTest, NothingToDrawFromIsAnError) {
  TestStream stream;
  Indices two(2);
  EXPECT_EQ(error_text<ShapeError>([&] { draw_indices(stream, vector_of(two), 0, kKey, 0, 0); }),
            "draw_indices: out is [2], n is 0; expected at least one entry to draw from.");
}

}  // namespace
}  // namespace mbrl
