// Tests for kernels/formulas/plan_rows.h: moments of draws, limits, coloured noise, mixtures.
#include "kernels/formulas/plan_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "kernels/cpu/lane_draws.h"

namespace mbrl {
namespace {

const RandomKey kKey{3, Purpose{99}, 5};

TEST(PlanRowsTest, TruncatedNormalsHaveTheMomentsOfTheDistribution) {
  constexpr int kCount = 40000;
  double sum = 0.0, squares = 0.0, fourth = 0.0;
  std::set<float> seen;
  for (int c = 0; c < kCount / 40; ++c)
    for (int i = 0; i < 40; ++i) {
      const double x = truncated_normal(kKey, plan_draw_step(4, 2, 0), c, i);
      ASSERT_LE(std::abs(x), 2.0);
      seen.insert(static_cast<float>(x));
      sum += x;
      squares += x * x;
      fourth += x * x * x * x;
    }
  // of a normal cut at 2: E x^2 = 1 - 4 phi(2) / (2 Phi(2) - 1), E x^4 = 3 E x^2 - 16 phi(2) / (...)
  const double share = std::erf(std::sqrt(2.0)), phi = std::exp(-2.0) / std::sqrt(2.0 * M_PI);
  const double second = 1.0 - 4.0 * phi / share, kurtosis = 3.0 * second - 16.0 * phi / share;
  EXPECT_NEAR(sum / kCount, 0.0, 4.0 * std::sqrt(second / kCount));
  EXPECT_NEAR(squares / kCount, second, 4.0 * std::sqrt((kurtosis - second * second) / kCount));
  EXPECT_NEAR(fourth / kCount, kurtosis, 0.08);
  EXPECT_GT(seen.size(), 0.99 * kCount);
}

TEST(PlanRowsTest, DrawsBelongToTheirCandidateElementIterationAndStep) {
  std::set<float> seen;
  int count = 0;
  for (const int iteration : {0, 1})
    for (const std::uint64_t step : {0, 1, 1 << 20})
      for (int c = 0; c < 10; ++c)
        for (int i = 0; i < 10; ++i, ++count)
          seen.insert(plan_normal(kKey, plan_draw_step(step, iteration, 0), c, i));
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(count));
  EXPECT_EQ(plan_normal(kKey, 8, 3, 5), normal(kKey, 8, 3 << 12 | 1, 5 % 4));
}

TEST(PlanRowsTest, NormalsOfATileAreThoseOfItsRows) {
  std::uint32_t rows[kTileRows];
  for (int lane = 0; lane < kTileRows; ++lane)
    rows[lane] = 1000003u * static_cast<std::uint32_t>(lane);
  for (const std::uint32_t block : {0u, 3u, 200u}) {
    float found[4 * kTileRows];
    lane_normals(kKey, 77ull << 32 | 5, rows, block, found);
    for (int j = 0; j < 4; ++j)
      for (int lane = 0; lane < kTileRows; ++lane)
        ASSERT_EQ(found[j * kTileRows + lane],
                  normal(kKey, 77ull << 32 | 5, rows[lane], static_cast<int>(4 * block) + j));
  }
}

TEST(PlanRowsTest, TwoDeviationsReachTheNearerBoundAtMost) {
  EXPECT_EQ(limited_deviation(0.0f, 0.25f), 0.5f);
  EXPECT_EQ(limited_deviation(0.0f, 0.09f), 0.3f);
  EXPECT_FLOAT_EQ(limited_deviation(0.5f, 0.25f), 0.25f);
  EXPECT_FLOAT_EQ(limited_deviation(-0.75f, 0.25f), 0.125f);
  EXPECT_EQ(limited_deviation(1.0f, 0.25f), 0.0f);
}

TEST(PlanRowsTest, CostsThatAreNotFiniteAreDear) {
  EXPECT_EQ(counted_cost(-3.5f), -3.5f);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()})
    EXPECT_EQ(counted_cost(bad), 1e6f);
}

TEST(PlanRowsTest, EqualCostsKeepTheirOrder) {
  EXPECT_TRUE(is_better(1.0f, 4, 2.0f, 3));
  EXPECT_FALSE(is_better(2.0f, 3, 1.0f, 4));
  EXPECT_TRUE(is_better(2.0f, 3, 2.0f, 4));
  EXPECT_FALSE(is_better(2.0f, 4, 2.0f, 3));
}

TEST(PlanRowsTest, PopulationsOfIcemShrinkToTwiceTheElites) {
  // 40, 32, 25: arXiv:2008.06389
  EXPECT_EQ(icem_population(40, 10, 1.25f, 0), 40);
  EXPECT_EQ(icem_population(40, 10, 1.25f, 1), 32);
  EXPECT_EQ(icem_population(40, 10, 1.25f, 2), 25);
  EXPECT_EQ(icem_population(40, 10, 1.25f, 9), 20);
  EXPECT_EQ(icem_population(40, 30, 1.25f, 3), 40);
}

TEST(PlanRowsTest, AMixtureHasTheMomentsOfItsMembers) {
  const double means[] = {3.0, -1.0, 4.0}, deviations[] = {0.5, 2.0, 0.1};
  Mixture mixture;
  for (int e = 0; e < 3; ++e)
    mixture.add(static_cast<float>(means[e]), static_cast<float>(deviations[e]), e + 1);
  double mean = 0.0, variance = 0.0;
  for (const double m : means) mean += m / 3.0;
  for (int e = 0; e < 3; ++e)
    variance += ((means[e] - mean) * (means[e] - mean) + deviations[e] * deviations[e]) / 3.0;
  EXPECT_NEAR(mixture.mean, mean, 1e-6);
  EXPECT_NEAR(mixture.deviation(3), std::sqrt(variance), 1e-6);
}

// sequences of coloured noise, number by number
std::vector<std::vector<double>> colored_noise(int length, float color, int count) {
  std::vector<float> scale(static_cast<std::size_t>(num_frequencies(length))),
      cosine(static_cast<std::size_t>(length)), sine(static_cast<std::size_t>(length)),
      frequencies(static_cast<std::size_t>(2 * num_frequencies(length)));
  make_color_table(length, color, scale.data(), cosine.data(), sine.data());
  const ColorTable table{scale.data(), cosine.data(), sine.data()};
  std::vector<std::vector<double>> all;
  for (int c = 0; c < count; ++c) {
    for (int k = 0; k < num_frequencies(length); ++k)
      for (int part = 0; part < 2; ++part)
        frequencies[static_cast<std::size_t>(2 * k + part)] =
            plan_frequency(kKey, 9, c, 0, k, part, length);
    all.emplace_back();
    for (int t = 0; t < length; ++t)
      all.back().push_back(table.value(frequencies.data(), t, length));
  }
  return all;
}

TEST(PlanRowsTest, ColoredNoiseHasItsVarianceAndItsMemory) {
  // mean square and correlation of neighbors, of 4000 sequences
  const auto moments = [](int length, float color) {
    double square = 0.0, neighbors = 0.0;
    const auto all = colored_noise(length, color, 4000);
    for (const auto& y : all)
      for (int t = 0; t < length; ++t) {
        square += y[static_cast<std::size_t>(t)] * y[static_cast<std::size_t>(t)];
        if (t > 0) neighbors += y[static_cast<std::size_t>(t)] * y[static_cast<std::size_t>(t - 1)];
      }
    square /= 4000.0 * length;
    return std::pair{square, length > 1 ? neighbors / (4000.0 * (length - 1)) / square : 0.0};
  };
  // white: as normal(), of variance T / (T - 1) for odd T, since the scale leaves frequency 0 out
  const auto [white, white_memory] = moments(31, 0.0f);
  EXPECT_NEAR(white, 31.0 / 30.0, 0.02);
  EXPECT_NEAR(white_memory, 0.0, 0.02);
  // of 30 steps and color 2.5 the standard deviation is 1.175
  const auto [red, red_memory] = moments(30, 2.5f);
  EXPECT_NEAR(std::sqrt(red), 1.175, 0.03);
  EXPECT_GT(red_memory, 0.8);
  EXPECT_NEAR(moments(1, 2.0f).first, 1.0, 0.1);
  EXPECT_TRUE(std::isfinite(moments(2, 2.0f).first));
  // the redder the noise, the less is left but a mean of variance 1/2 and one wave of variance 1
  for (const float color : {40.0f, 1000.0f, 1e30f}) {
    const auto [square, memory] = moments(20, color);
    EXPECT_NEAR(square, 1.5, 0.06) << color;
    EXPECT_NEAR(memory, (0.5 + std::cos(2.0 * 3.14159265 / 20.0)) / 1.5, 0.01) << color;
  }
}

TEST(PlanRowsTest, ASequenceHasNoMoreDrawsThanItsRowTellsApart) {
  for (const int A : {1, 2, 4, 5, 6, 18, 200}) {
    const int longest = longest_plan(A);
    EXPECT_LE(longest, kMaxPlanHorizon);
    EXPECT_LE((longest + 2) * A, kMaxPlanElements);
    EXPECT_TRUE(longest == kMaxPlanHorizon || (longest + 3) * A > kMaxPlanElements) << A;
  }
  EXPECT_EQ(longest_plan(18), 908);
}

}  // namespace
}  // namespace mbrl
