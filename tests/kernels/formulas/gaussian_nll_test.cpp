// Tests for kernels/formulas/gaussian_nll.{h,cpp}.
#include "kernels/formulas/gaussian_nll.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(GaussianNllTest, TermByHand) {
  // error 2, variance 1/4 (logvar -ln 4): 4 * 4 - ln 4
  const NllTerm t = gaussian_nll_term(3.0f, -1.386294361f, 1.0f);
  EXPECT_NEAR(t.loss, 16.0f - 1.386294361f, 1e-5f);
  EXPECT_NEAR(t.d_mean, 2.0f * 2.0f * 4.0f, 1e-5f);
  EXPECT_NEAR(t.d_logvar, 1.0f - 16.0f, 1e-5f);
}

TEST(GaussianNllTest, BestLogvarIsThatOfTheError) {
  // at variance = error^2 the loss does not change with the variance
  EXPECT_NEAR(gaussian_nll_term(1.5f, std::log(0.25f), 1.0f).d_logvar, 0.0f, 1e-6f);
}

TEST(BoundLogvarTest, StaysBetweenItsBoundsAndPassesTheMiddle) {
  // the bounds are soft: they overlap by ln(1 + e^(min - max)) at most
  for (const float raw : {-1000.0f, -30.0f, -10.0f, -5.0f, 0.5f, 3.0f, 1000.0f}) {
    const float bounded = bound_logvar(raw, 0.5f, -10.0f);
    EXPECT_GE(bounded, -10.0f) << raw;
    EXPECT_LE(bounded, 0.5f + 3e-5f) << raw;
  }
  EXPECT_NEAR(bound_logvar(-5.0f, 0.5f, -10.0f), -5.0f, 0.01f);
  EXPECT_NEAR(bound_logvar(0.5f, 0.5f, -10.0f), 0.5f - std::log(2.0f), 1e-4f);
}

TEST(BoundLogvarTest, GradientsAgreeWithCentralDifferences) {
  for (double raw : {-40.0, -12.0, -9.0, -4.0, 0.0, 0.7, 2.0, 6.0, 30.0})
    for (double max_logvar : {0.5, -1.0})
      for (double min_logvar : {-10.0, -3.0}) {
        const BoundedLogvar g =
            bound_logvar_with_gradient(static_cast<float>(raw), static_cast<float>(max_logvar),
                                       static_cast<float>(min_logvar));
        const auto value = [&] { return reference::bound_logvar(raw, max_logvar, min_logvar); };
        EXPECT_THAT((std::vector<float>{g.value, g.d_raw, g.d_max, g.d_min}),
                    ElementsNear({value(), reference::derivative(raw, value),
                                  reference::derivative(max_logvar, value),
                                  reference::derivative(min_logvar, value)}))
            << raw << " " << max_logvar << " " << min_logvar;
        EXPECT_EQ(g.value, bound_logvar(static_cast<float>(raw), static_cast<float>(max_logvar),
                                        static_cast<float>(min_logvar)));
      }
}

TEST(BoundLogvarTest, AFarBoundKeepsItsSmallGradient) {
  // 15 above the minimum: the gradient is e^-15, which 1 - sigmoid would round to a multiple of
  // 2^-24
  const BoundedLogvar g = bound_logvar_with_gradient(5.0f, 30.0f, -10.0f);
  EXPECT_NEAR(g.d_min / std::exp(-15.0f), 1.0f, 1e-5f);
}

struct Problem {
  int B, D;
  std::vector<float> mean, raw, target, max_logvar, min_logvar;
  Problem(int rows, int outputs)
      : B(rows),
        D(outputs),
        mean(random_values(reference::at(B, 0, D), 1)),
        raw(random_values(mean.size(), 2, 2.0f)),
        target(random_values(mean.size(), 3)) {
    for (int i = 0; i < D; ++i) {
      max_logvar.push_back(0.5f + 0.01f * static_cast<float>(i));
      min_logvar.push_back(-3.0f - 0.02f * static_cast<float>(i));
    }
  }
  GaussianNllIn in() const {
    return {matrix_of(mean, D), matrix_of(raw, D), matrix_of(target, D), vector_of(max_logvar),
            vector_of(min_logvar)};
  }
};

struct Result {
  std::vector<float> loss, d_mean, d_raw, d_max, d_min;
  explicit Result(const Problem& p)
      : loss(poisoned(1)),
        d_mean(poisoned(p.mean.size())),
        d_raw(d_mean),
        d_max(poisoned(static_cast<std::size_t>(p.D))),
        d_min(d_max) {
    TestStream stream;
    gaussian_nll(
        stream, vector_of(loss),
        {matrix_of(d_mean, p.D), matrix_of(d_raw, p.D), vector_of(d_max), vector_of(d_min)},
        p.in());
  }
};

TEST(GaussianNllTest, LossIsTheMeanOverRowsAndOutputs) {
  // far bounds leave raw as it is: 0; errors 1, 2, 3, 0
  Problem p(2, 2);
  p.mean = {1, 2, 3, 4};
  p.target = {0, 0, 0, 4};
  p.raw = {0, 0, 0, 0};
  p.max_logvar = {40, 40};
  p.min_logvar = {-40, -40};
  const Result r(p);
  EXPECT_THAT(r.loss, ElementsNear({(1.0 + 4.0 + 9.0 + 0.0) / 4.0}));
  EXPECT_THAT(r.d_mean, ElementsNear({0.5, 1.0, 1.5, 0.0}));
  EXPECT_THAT(r.d_raw, ElementsNear({0.0, -0.75, -2.0, 0.25}));
  EXPECT_THAT(r.d_max, ElementsNear({0.0, 0.0}));
  EXPECT_THAT(r.d_min, ElementsNear({0.0, 0.0}));
}

class GaussianNllSizeTest : public testing::TestWithParam<int> {};

TEST_P(GaussianNllSizeTest, AgreesWithDoublePrecision) {
  for (const int D : {1, 12, 33}) {
    const Problem p(GetParam(), D);
    const Result r(p);
    const auto max_logvar = doubles(p.max_logvar), min_logvar = doubles(p.min_logvar);
    EXPECT_THAT(r.loss,
                ElementsNear({reference::gaussian_nll(doubles(p.mean), doubles(p.raw),
                                                      doubles(p.target), max_logvar, min_logvar)},
                             {5e-6, 1e-6}));

    // element by element: the terms are independent
    const double count = static_cast<double>(p.mean.size());
    std::vector<double> d_mean, d_raw, d_max(max_logvar.size()), d_min(max_logvar.size());
    for (std::size_t i = 0; i < p.mean.size(); ++i) {
      std::vector<double> at{p.mean[i], p.raw[i], max_logvar[i % D], min_logvar[i % D]};
      const auto g = reference::gradient(at, [&] {
        return reference::gaussian_nll({at[0]}, {at[1]}, {p.target[i]}, {at[2]}, {at[3]}) / count;
      });
      d_mean.push_back(g[0]);
      d_raw.push_back(g[1]);
      d_max[i % D] += g[2];
      d_min[i % D] += g[3];
    }
    EXPECT_THAT(r.d_mean, NearInNorm(d_mean, 2e-6));
    EXPECT_THAT(r.d_raw, NearInNorm(d_raw, 2e-6));
    EXPECT_THAT(r.d_max, NearInNorm(d_max, 2e-6));
    EXPECT_THAT(r.d_min, NearInNorm(d_min, 2e-6));
  }
}
INSTANTIATE_TEST_SUITE_P(Rows, GaussianNllSizeTest, testing::Values(1, 31, 33, 257, 1000));

TEST(LogvarBoundPenaltyTest, AddsTheWidthOfTheBounds) {
  TestStream stream;
  const std::vector<float> max_logvar{0.5f, 1.5f}, min_logvar{-10.0f, -8.0f};
  std::vector<float> loss{3.0f}, d_max{1.0f, 2.0f}, d_min{3.0f, 4.0f};
  logvar_bound_penalty(stream, vector_of(loss), vector_of(d_max), vector_of(d_min),
                       vector_of(max_logvar), vector_of(min_logvar), 0.01f);
  EXPECT_THAT(loss, ElementsNear({3.0 + 0.01 * (2.0 + 18.0)}));
  EXPECT_THAT(d_max, ElementsNear({1.01, 2.01}));
  EXPECT_THAT(d_min, ElementsNear({2.99, 3.99}));
}

TEST(GaussianNllTest, NanShowsInTheLoss) {
  Problem p(3, 2);
  p.raw[3] = std::nanf("");
  const Result r(p);
  EXPECT_TRUE(std::isnan(r.loss[0]));
  EXPECT_TRUE(std::isnan(r.d_mean[3]));
  EXPECT_FALSE(std::isnan(r.d_mean[2]));
}

TEST(GaussianNllTest, NamesTheArrayThatDoesNotFit) {
  TestStream stream;
  const Problem p(4, 3);
  std::vector<float> loss(1), twelve(12), three(3), two(2);
  const auto call = [&](const GaussianNllIn& in, std::vector<float>& d_min) {
    return error_text<ShapeError>([&] {
      gaussian_nll(stream, vector_of(loss),
                   {matrix_of(twelve, 3), matrix_of(twelve, 3), vector_of(three), vector_of(d_min)},
                   in);
    });
  };
  GaussianNllIn in = p.in();
  EXPECT_EQ(call(in, two),
            "gaussian_nll: d_min_logvar is [2]; expected [3], one per column of mean.");
  in.target = matrix_of(p.target, 4);
  EXPECT_EQ(call(in, three),
            "gaussian_nll: mean is [4, 3], target is [3, 4]; expected the same shape.");
}

}  // namespace
}  // namespace mbrl
