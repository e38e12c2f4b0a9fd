// Tests for kernels/formulas/activation.h.
#include "kernels/formulas/activation.h"

#include <gtest/gtest.h>

#include "tests/support/float64.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

constexpr Activation kAll[] = {Activation::kNone, Activation::kRelu, Activation::kSwish,
                               Activation::kTanh};

std::vector<float> values(Activation kind, std::vector<float> x) {
  for (float& value : x) value = activate(kind, value);
  return x;
}

std::vector<float> gradients(Activation kind, std::vector<float> x) {
  for (float& value : x) value = activation_gradient(kind, value);
  return x;
}

TEST(ActivationTest, ByHand) {
  const std::vector<float> x{-1, 0, 2};
  EXPECT_EQ(values(Activation::kNone, x), x);
  EXPECT_EQ(values(Activation::kRelu, x), (std::vector<float>{0, 0, 2}));
  EXPECT_THAT(values(Activation::kSwish, x), ElementsNear({-0.268941421, 0.0, 1.761594156}));
  EXPECT_THAT(values(Activation::kTanh, x), ElementsNear({-0.761594156, 0.0, 0.964027580}));
}

TEST(ActivationTest, GradientsByHand) {
  const std::vector<float> x{-1, 0, 2};
  EXPECT_EQ(gradients(Activation::kNone, x), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(gradients(Activation::kRelu, x), (std::vector<float>{0, 0, 1}));
  EXPECT_THAT(gradients(Activation::kSwish, x), ElementsNear({0.0723294881, 0.5, 1.0907842488}));
  EXPECT_THAT(gradients(Activation::kTanh, x), ElementsNear({0.4199743416, 1.0, 0.0706508249}));
}

TEST(ActivationTest, AgreesWithDoublePrecisionAndItsCentralDifferences) {
  const auto x = random_values(5000, 1, 3.0f);
  for (const Activation kind : kAll) {
    std::vector<double> y, d_x;
    for (const float value : x) {
      double at = value;
      const auto f = [&] { return reference::activate(kind, at); };
      y.push_back(f());
      d_x.push_back(reference::derivative(at, f, 1e-5));
    }
    EXPECT_THAT(values(kind, x), ElementsNear(y)) << static_cast<int>(kind);
    EXPECT_THAT(gradients(kind, x), ElementsNear(d_x)) << static_cast<int>(kind);
  }
}

TEST(ActivationTest, NanGoesThrough) {
  for (const Activation kind : kAll)
    EXPECT_TRUE(std::isnan(activate(kind, std::nanf("")))) << static_cast<int>(kind);
}

}  // namespace
}  // namespace mbrl
