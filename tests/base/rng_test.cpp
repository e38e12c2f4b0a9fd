// Tests for base/rng.h: the generator's published vectors, and what the draws are distributed like.
#include "base/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "host/algo/draws.h"
#include "host/model/trainer.h"
#include "kernels/data/permutation.h"
#include "kernels/networks/initialize.h"
#include "kernels/stages/rollout/rollout.h"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl {
namespace {

std::vector<std::uint32_t> words(Philox4 b) { return {b.x, b.y, b.z, b.w}; }

// the known answers that come with Random123 for philox4x32, 10 rounds
TEST(PhiloxTest, GivesThePublishedAnswerForZero) {
  EXPECT_EQ(words(philox({0, 0, 0, 0}, 0, 0)),
            (std::vector<std::uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

TEST(PhiloxTest, GivesThePublishedAnswerForAllOnes) {
  const std::uint32_t f = 0xffffffff;
  EXPECT_EQ(words(philox({f, f, f, f}, f, f)),
            (std::vector<std::uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(PhiloxTest, GivesThePublishedAnswerForTheDigitsOfPi) {
  EXPECT_EQ(words(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0)),
            (std::vector<std::uint32_t>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomKeyTest, EveryCoordinateChangesTheDraw) {
  const RandomKey key{7, purpose::kShuffle, 3};
  std::set<std::vector<std::uint32_t>> seen{
      words(key.bits(5, 6, 1)),
      words(RandomKey{8, purpose::kShuffle, 3}.bits(5, 6, 1)),
      words(RandomKey{7, purpose::kHoldout, 3}.bits(5, 6, 1)),
      words(RandomKey{7, purpose::kShuffle, 4}.bits(5, 6, 1)),
      words(key.bits(6, 6, 1)),
      words(key.bits(5 + (std::uint64_t{1} << 32), 6, 1)),
      words(key.bits(5, 7, 1)),
      words(key.bits(5, 6, 2)),
  };
  EXPECT_EQ(seen.size(), 8u);
}

TEST(RandomKeyTest, LaneAndLearnerShareAWordWithoutOverlap) {
  // lane 255 of learner 0 is the last one before learner 1
  const RandomKey first{1, purpose::kInit, 0}, second{1, purpose::kInit, 1};
  EXPECT_NE(words(first.bits(0, 0, 255)), words(second.bits(0, 0, 0)));
  EXPECT_EQ(words(first.bits(9, 8, 255)), words(philox({8, 255, 9, 0}, 1, 1)));
  EXPECT_EQ(words(second.bits(9, 8, 255)), words(philox({8, 511, 9, 0}, 1, 1)));
}

TEST(RandomKeyTest, DrawsDoNotDependOnTheirOrder) {
  const RandomKey key{11, purpose::kModelNoise, 2};
  std::vector<float> forward(1000), backward(1000);
  for (int i = 0; i < 1000; ++i)
    forward[i] = normal(key, 4, static_cast<std::uint32_t>(i / 10), i % 10);
  for (int i = 999; i >= 0; --i)
    backward[i] = normal(key, 4, static_cast<std::uint32_t>(i / 10), i % 10);
  EXPECT_EQ(forward, backward);
}

TEST(UniformTest, StaysBelowOneAndReachesBothEnds) {
  EXPECT_EQ(uniform01(0), 0.0f);
  EXPECT_EQ(uniform01(0x80000000u), 0.5f);
  EXPECT_EQ(uniform01(0xffffffffu), 1.0f - 0x1p-24f);
}

TEST(UniformTest, IndexCoversItsRange) {
  EXPECT_EQ(uniform_index(0, 10), 0u);
  EXPECT_EQ(uniform_index(0xffffffffu, 10), 9u);
  EXPECT_EQ(uniform_index(0xffffffffu, 1), 0u);
  EXPECT_EQ(uniform_index(0xffffffffu, 0xffffffffu), 0xfffffffeu);
}

TEST(UniformTest, IndicesAreEquallyFrequent) {
  // chi-square with 9 degrees of freedom: 1 in 10^5 seeds exceeds 39
  const RandomKey key{3, purpose::kReplayIndex, 0};
  constexpr int kDraws = 200000;
  std::vector<int> count(10);
  for (int i = 0; i < kDraws; ++i)
    ++count[uniform_index(key.bits(0, static_cast<std::uint32_t>(i)).x, 10)];
  double chi_square = 0.0;
  for (const int c : count)
    chi_square += (c - kDraws / 10.0) * (c - kDraws / 10.0) / (kDraws / 10.0);
  EXPECT_LT(chi_square, 39.0);
}

struct Moments {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0;
};

Moments moments(const std::vector<float>& x) {
  const auto n = static_cast<double>(x.size());
  Moments m;
  for (const float v : x) m.mean += v / n;
  double third = 0, fourth = 0;
  for (const float v : x) {
    const double d = v - m.mean;
    m.variance += d * d / n;
    third += d * d * d / n;
    fourth += d * d * d * d / n;
  }
  m.skewness = third / std::pow(m.variance, 1.5);
  m.kurtosis = fourth / (m.variance * m.variance);
  return m;
}

// Kolmogorov and Smirnov: sqrt(n) times the largest distance; 1 in 10^5 seeds exceeds 2.47
double ks_distance(std::vector<float> x, double (*cdf)(double)) {
  std::sort(x.begin(), x.end());
  const auto n = static_cast<double>(x.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double f = cdf(x[i]), rank = static_cast<double>(i);
    worst = std::max({worst, f - rank / n, (rank + 1.0) / n - f});
  }
  return worst * std::sqrt(n);
}

constexpr int kRows = 50000;

TEST(UniformTest, HasTheMomentsAndTheShapeOfAUniform) {
  const RandomKey key{17, purpose::kExploration, 0};
  std::vector<float> x;
  for (std::uint32_t row = 0; row < kRows; ++row)
    for (const std::uint32_t bits : words(key.bits(1, row))) x.push_back(uniform01(bits));
  // five standard errors each, n = 200000
  const Moments m = moments(x);
  EXPECT_NEAR(m.mean, 0.5, 0.0033);
  EXPECT_NEAR(m.variance, 1.0 / 12.0, 0.0009);
  EXPECT_NEAR(m.kurtosis, 1.8, 0.01);
  EXPECT_LT(ks_distance(x, [](double v) { return v; }), 2.47);
}

TEST(NormalTest, HasTheMomentsAndTheShapeOfANormal) {
  const RandomKey key{17, purpose::kActionNoise, 0};
  std::vector<float> x;
  for (std::uint32_t row = 0; row < kRows; ++row)
    for (int i = 0; i < 4; ++i) x.push_back(normal(key, 1, row, i));
  const Moments m = moments(x);
  EXPECT_NEAR(m.mean, 0.0, 0.0112);
  EXPECT_NEAR(m.variance, 1.0, 0.0158);
  EXPECT_NEAR(m.skewness, 0.0, 0.0274);
  EXPECT_NEAR(m.kurtosis, 3.0, 0.0548);
  EXPECT_LT(ks_distance(x, [](double v) { return 0.5 * std::erfc(-v / std::sqrt(2.0)); }), 2.47);
}

TEST(NormalTest, NumbersOfARowAreUncorrelated) {
  const RandomKey key{23, purpose::kModelNoise, 0};
  double product[6][6] = {};
  for (std::uint32_t row = 0; row < kRows; ++row) {
    float n[6];
    for (int i = 0; i < 6; ++i) n[i] = normal(key, 0, row, i);
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < i; ++j) product[i][j] += n[i] * n[j] / kRows;
  }
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < i; ++j)
      EXPECT_NEAR(product[i][j], 0.0, 5.0 / std::sqrt(kRows)) << i << " " << j;
}

TEST(NormalTest, IsFiniteForTheSmallestAndLargestUniform) {
  float n0, n1;
  normal_pair(0xffffffffu, 0, n0, n1);  // 1 - u = 2^-24
  EXPECT_NEAR(n0, std::sqrt(2.0 * 24.0 * std::log(2.0)), 1e-5);
  EXPECT_EQ(n1, 0.0f);
  normal_pair(0, 0xffffffffu, n0, n1);  // ln 1
  EXPECT_EQ(n0, 0.0f);
  EXPECT_EQ(n1, 0.0f);
}

TEST(NormalTest, AgreesWithDoublePrecision) {
  const RandomKey key{29, purpose::kModelNoise, 0};
  for (std::uint32_t row = 0; row < 10000; ++row) {
    const Philox4 b = key.bits(0, row);
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform01(b.x)));
    const double angle = 2.0 * M_PI * uniform01(b.y);
    ASSERT_NEAR(normal(key, 0, row, 0), radius * std::cos(angle), 2e-6);
    ASSERT_NEAR(normal(key, 0, row, 1), radius * std::sin(angle), 2e-6);
  }
}

// the bits of the first draws are part of every saved run
TEST(NormalTest, BitsStayAsTheyAre) {
  const RandomKey key{1, purpose::kActionNoise, 0};
  EXPECT_EQ(key.bits(0, 0).x, philox({0, 0, 0, 0}, 1, 3).x);
  std::uint32_t hash = 2166136261u;
  for (std::uint32_t row = 0; row < 4096; ++row)
    for (int i = 0; i < 4; ++i)
      hash = (hash ^ std::bit_cast<std::uint32_t>(normal(key, 0, row, i))) * 16777619u;
  EXPECT_EQ(hash, 0x2d0c95a8u);
}

}  // namespace
}  // namespace mbrl
