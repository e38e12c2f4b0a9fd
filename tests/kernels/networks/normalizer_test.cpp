// Tests for kernels/networks/normalizer.{h,cpp}.
#include "kernels/networks/normalizer.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

struct Fit {
  std::vector<float> mean, inv_std;
};

// records whose observations are the first `columns` floats of the rows, and actions none
std::vector<float> as_records(const std::vector<float>& rows, int pitch,
                              const TransitionLayout& layout) {
  const std::size_t count = rows.size() / static_cast<std::size_t>(pitch);
  std::vector<float> records(count * static_cast<std::size_t>(layout.pitch()), -77.0f);
  for (std::size_t row = 0; row < count; ++row)
    std::copy_n(rows.data() + row * static_cast<std::size_t>(pitch), layout.observation_size,
                records.data() + row * static_cast<std::size_t>(layout.pitch()));
  return records;
}

Fit fit(const std::vector<float>& rows, int pitch, const std::vector<std::uint32_t>& indices,
        int columns, int threads = 2, float min_std = 1e-12f) {
  TestStream stream(threads);
  const TransitionLayout layout{columns, 0};
  const std::vector<float> records = as_records(rows, pitch, layout);
  Fit f{poisoned(static_cast<std::size_t>(columns)), poisoned(static_cast<std::size_t>(columns))};
  Buffer<double> scratch;
  fit_normalizer(stream, {records.data(), layout, rows.size() / static_cast<std::size_t>(pitch)},
                 {}, vector_of(indices), vector_of(f.mean), vector_of(f.inv_std), min_std, scratch);
  return f;
}

std::vector<std::uint32_t> first_rows(std::uint32_t count) {
  std::vector<std::uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0u);
  return indices;
}

TEST(NormalizerTest, PopulationMomentsByHand) {
  // columns 1, 3 and 10, 50, padded to 4; the population's deviations are 1 and 20
  const std::vector<float> rows{1, 10, 99, 99, 3, 50, 99, 99};
  const Fit f = fit(rows, 4, {0, 1}, 2);
  EXPECT_EQ(f.mean, (std::vector<float>{2, 30}));
  EXPECT_EQ(f.inv_std, (std::vector<float>{1.0f, 0.05f}));
  EXPECT_EQ(normalize(50.0f, f.mean[1], f.inv_std[1]), 1.0f);
}

TEST(NormalizerTest, ReadsTheChosenRowsAsOftenAsTheyAreNamed) {
  const std::vector<float> rows{100, 4, 8};
  const Fit f = fit(rows, 1, {1, 2, 2, 1}, 1);
  EXPECT_EQ(f.mean[0], 6.0f);
  EXPECT_EQ(f.inv_std[0], 0.5f);
}

TEST(NormalizerTest, ADeviationBelowTheLeastCountsAsOne) {
  EXPECT_EQ(fit({7, 7, 7}, 1, {0, 1, 2}, 1).inv_std[0], 1.0f);
  EXPECT_EQ(fit({7}, 1, {0}, 1).inv_std[0], 1.0f);
  // deviation 1e-3, above and below
  const std::vector<float> rows{-1e-3f, 1e-3f};
  EXPECT_NEAR(fit(rows, 1, {0, 1}, 1, 1, 0.9e-3f).inv_std[0], 1000.0f, 1e-3f);
  EXPECT_EQ(fit(rows, 1, {0, 1}, 1, 1, 1.1e-3f).inv_std[0], 1.0f);
}

TEST(NormalizerTest, HugeEntriesAndHugeConstantsBecomeOrdinary) {
  // a column of 1e30 and 3e30, whose squares no float holds, and one that is always 1e30
  const Fit f = fit({1e30f, 1e30f, 3e30f, 1e30f}, 2, {0, 1}, 2);
  EXPECT_FLOAT_EQ(normalize(3e30f, f.mean[0], f.inv_std[0]), 1.0f);
  EXPECT_FLOAT_EQ(normalize(1e30f, f.mean[0], f.inv_std[0]), -1.0f);
  EXPECT_EQ(normalize(1e30f, f.mean[1], f.inv_std[1]), 0.0f);
}

TEST(NormalizerTest, AgreesWithDoublePrecisionAtAllSizes) {
  // the largest spans three chunks of rows
  for (const std::uint32_t n : {1u, 31u, 33u, 257u, 9000u}) {
    constexpr int kColumns = 5, kPitch = 8;
    const auto rows = random_values(static_cast<std::size_t>(n) * kPitch, 1, 3.0f);
    std::vector<double> mean(kColumns), inv_std(kColumns);
    for (int i = 0; i < kColumns; ++i) {
      double sum = 0.0, squares = 0.0;
      for (std::uint32_t row = 0; row < n; ++row) sum += rows[row * kPitch + i];
      mean[i] = sum / n;
      for (std::uint32_t row = 0; row < n; ++row) {
        const double d = rows[row * kPitch + i] - mean[i];
        squares += d * d;
      }
      inv_std[i] = n == 1 ? 1.0 : 1.0 / std::sqrt(squares / n);
    }
    const Fit f = fit(rows, kPitch, first_rows(n), kColumns);
    EXPECT_THAT(f.mean, ElementsNear(mean, {0x1p-24, 1e-12})) << n;
    EXPECT_THAT(f.inv_std, ElementsNear(inv_std, {0x1p-23, 0.0})) << n;
  }
}

TEST(NormalizerTest, ALargeMeanDoesNotDrownTheDeviation) {
  // 10^6 +- 1: a sum of squares in f32 would give any deviation
  std::vector<float> rows;
  for (int i = 0; i < 10000; ++i) rows.push_back(1e6f + (i % 2 == 0 ? 1.0f : -1.0f));
  const Fit f = fit(rows, 1, first_rows(10000), 1);
  EXPECT_EQ(f.mean[0], 1e6f);
  EXPECT_NEAR(f.inv_std[0], 1.0f, 1e-6f);
}

TEST(NormalizerTest, NormalisedDataHasMeanZeroAndDeviationOne) {
  auto rows = random_values(5000, 3, 40.0f);
  for (float& x : rows) x += 12.0f;
  const Fit f = fit(rows, 1, first_rows(5000), 1);
  for (float& x : rows) x = normalize(x, f.mean[0], f.inv_std[0]);
  const Fit again = fit(rows, 1, first_rows(5000), 1);
  EXPECT_NEAR(again.mean[0], 0.0f, 1e-6f);
  EXPECT_NEAR(again.inv_std[0], 1.0f, 1e-6f);
}

TEST(NormalizerTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const auto rows = random_values(60000, 2);
  const Fit one = fit(rows, 3, first_rows(20000), 3, 1);
  for (const int threads : {2, 4}) {
    const Fit other = fit(rows, 3, first_rows(20000), 3, threads);
    EXPECT_EQ(other.mean, one.mean);
    EXPECT_EQ(other.inv_std, one.inv_std);
  }
}

TEST(NormalizerTest, ABackwardModelReadsNextObservationAndAction) {
  // two records of observation 1; next observations 3 and 7, actions 5 and 9
  const TransitionLayout layout{1, 1};
  const std::vector<float> records{1, 5, 0, 0, 3, 0, 0, 0, 1, 9, 0, 0, 7, 0, 0, 0};
  const std::vector<std::uint32_t> indices{0, 1};
  TestStream stream;
  std::vector<float> mean(2), inv_std(2);
  Buffer<double> scratch;
  fit_normalizer(stream, {records.data(), layout, 2}, {.input = InputMap::kBackward},
                 vector_of(indices), vector_of(mean), vector_of(inv_std), 1e-6f, scratch);
  EXPECT_EQ(mean, (std::vector<float>{5, 7}));
  EXPECT_EQ(inv_std, (std::vector<float>{0.5f, 0.5f}));
}

TEST(NormalizerTest, NamesWhatDoesNotFit) {
  TestStream stream;
  const TransitionLayout layout{3, 0};
  const std::vector<float> records(2 * static_cast<std::size_t>(layout.pitch()));
  std::vector<float> two(2), three(3);
  const auto call = [&](const std::vector<std::uint32_t>& indices, std::vector<float>& inv_std) {
    return error_text<ShapeError>([&] {
      Buffer<double> scratch;
      fit_normalizer(stream, {records.data(), layout, 2}, {}, vector_of(indices), vector_of(three),
                     vector_of(inv_std), 1e-12f, scratch);
    });
  };
  EXPECT_EQ(call({0, 1}, two), "fit_normalizer: inv_std is [2]; expected [3], one per input.");
  EXPECT_EQ(call({}, three),
            "fit_normalizer: indices is [0]; expected at least one row to take moments of.");
}

}  // namespace
}  // namespace mbrl
