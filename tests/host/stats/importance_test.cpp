// Tests for host/stats/importance.{h,cpp}. Expectations are those of optuna 5.0.0:
// PedAnovaImportanceEvaluator().evaluate(study) over create_trial()s of the data below.
#include "host/stats/importance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>

#include "base/error.h"
#include "tests/support/error_text.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

struct Trials {
  std::vector<double> returns;
  std::vector<ImportanceAxis> axes;
};

// a float in the logarithm, a float, a whole number, one in the logarithm, a choice of three
Trials made(int count, bool with_ties) {
  std::uint64_t state = 12345;
  const auto next = [&] {
    state = (state * 1103515245 + 12345) % (std::uint64_t{1} << 31);
    return static_cast<double>(state) / static_cast<double>(std::uint64_t{1} << 31);
  };
  Trials trials{.returns = {},
                .axes = {{.low = 1e-5, .high = 1e-2, .log = true},
                         {.low = 0.05, .high = 0.4},
                         {.low = 3, .high = 20, .step = 1},
                         {.low = 200, .high = 700, .log = true, .step = 1},
                         {.num_choices = 3}}};
  for (int i = 0; i < count; ++i) {
    double u[5];
    for (double& value : u) value = next();
    const double place = std::floor(3.0 * u[4]);
    const double values[]{1e-5 * std::pow(1000.0, u[0]), 0.05 + 0.35 * u[1],
                          3.0 + std::floor(18.0 * u[2]), 200.0 + std::floor(501.0 * u[3]), place};
    for (std::size_t a = 0; a < 5; ++a) trials.axes[a].values.push_back(values[a]);
    double earned = -std::pow(u[0] - 0.3, 2) * 10.0 - std::pow(u[2] - 0.5, 2) +
                    (place == 1.0 ? 0.3 : 0.0) + 0.1 * u[1];
    if (with_ties) earned = std::floor(earned * 4.0);
    trials.returns.push_back(earned);
  }
  return trials;
}

void expect_values(const Importance& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(found.values[i], expected[i], 1e-12) << i;
  EXPECT_NEAR(std::accumulate(found.shares.begin(), found.shares.end(), 0.0), 1.0, 1e-12);
}

TEST(PedAnovaTest, AgreesWithOptuna) {
  const auto of = [](const Trials& trials) { return ped_anova(trials.returns, trials.axes); };
  const Importance few = of(made(12, false));
  EXPECT_EQ(few.num_top, 2u);
  expect_values(few, {0.01136081167998716, 0.010162371992653046, 0.03291617925414332,
                      0.0006920917657086231, 0.0041099339691189046});
  expect_values(of(made(57, false)),
                {0.009388384352800278, 0.00039940434510909567, 0.004114691816650667,
                 0.00015385170039900674, 0.0026077979075613753});
  // what equals the last of the best is one of them
  const Importance tied = of(made(60, true));
  EXPECT_GT(tied.num_top, 6u);
  expect_values(tied, {0.03446652195976396, 0.0024680350702962596, 0.004416460511750041,
                       0.001219250321926079, 0.0024079418124716627});
}

// floats in steps of 0.1, whole numbers in steps of 5, more steps than cells, one value, more whole
// numbers than cells, two values
TEST(PedAnovaTest, StepsAreCellsAsOptunas) {
  const auto of = [](int count) {
    Trials trials = made(count, false);
    std::vector<double> u0, u1, u2;
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      u0.push_back(std::log(trials.axes[0].values[at] / 1e-5) / std::log(1000.0));
      u1.push_back((trials.axes[1].values[at] - 0.05) / 0.35);
      u2.push_back((trials.axes[2].values[at] - 2.5) / 18.0);
    }
    trials.axes = {{.low = 0, .high = 1, .step = 0.1},   {.low = 0, .high = 20, .step = 5},
                   {.low = -1, .high = 1, .step = 0.02}, {.low = 0.5, .high = 0.5},
                   {.low = 10, .high = 210, .step = 2},  {.low = 0, .high = 0.25, .step = 0.25}};
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double values[]{
          0.1 * std::floor(11.0 * u0[at]),          5.0 * std::floor(5.0 * u2[at]),
          -1.0 + 0.02 * std::floor(101.0 * u0[at]), 0.5,
          10.0 + 2.0 * std::floor(101.0 * u2[at]),  0.25 * std::floor(2.0 * u1[at])};
      for (std::size_t a = 0; a < trials.axes.size(); ++a)
        trials.axes[a].values.push_back(values[a]);
    }
    return ped_anova(trials.returns, trials.axes);
  };
  expect_values(of(12), {0.006870100488658065, 0.025485677615506217, 0.008910779036459907, 0.0,
                         0.030838088648903896, 0.0031765155998465045});
  expect_values(of(57), {0.009181145999497913, 0.0035929183816210243, 0.008036240384921936, 0.0,
                         0.003989414984954291, 0.0008197817925292412});
}

TEST(PedAnovaTest, ARangeOfOneValueTellsNothing) {
  Trials trials = made(12, false);
  trials.axes = {{.low = 1, .high = 1, .values = std::vector<double>(12, 1.0)},
                 {.low = 1, .high = 1.5, .step = 1, .values = std::vector<double>(12, 1.0)}};
  EXPECT_EQ(ped_anova(trials.returns, trials.axes).values, (std::vector<double>{0.0, 0.0}));
}

TEST(PedAnovaTest, WhereAllTrialsAreEquallyGoodNoKeyTellsAnything) {
  Trials trials = made(12, false);
  trials.returns.assign(12, 1.0);
  const Importance none = ped_anova(trials.returns, trials.axes);
  for (const double share : none.shares) EXPECT_EQ(share, 0.0);
}

TEST(PedAnovaTest, SaysWhatCannotBeCompared) {
  Trials trials = made(4, false);
  const auto error = [&] {
    return error_text<DataError>([&] { ped_anova(trials.returns, trials.axes); });
  };
  trials.axes[4].values[1] = 3.0;
  EXPECT_THAT(error(), HasSubstr("key 4 has 3"));
  trials.axes[4].values[1] = 0.0;
  trials.axes[1].step = -0.1;
  EXPECT_THAT(error(), HasSubstr("key 1 goes from 0.05 to 0.4 in steps of -0.1"));
  trials.returns[0] = NAN;
  EXPECT_THAT(error(), HasSubstr("a return is nan"));
  trials.returns = {1.0};
  EXPECT_THAT(error(), HasSubstr("nothing to compare"));
}

}  // namespace
}  // namespace mbrl
