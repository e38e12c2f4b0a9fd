// Tests for kernels/data/shapes.{h,cpp}.
#include "kernels/data/shapes.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(ShapesTest, AgreeingOnesPass) {
  std::vector<float> six(6);
  const auto a = matrix_of(six, 3);
  EXPECT_NO_THROW(check_same_shape("op", {"a", a}, {{"b", a}, {"c", a}}));
  EXPECT_NO_THROW(check_shape("op", {"a", a}, {2, 3}, "as it is"));
}

TEST(ShapesTest, TheFirstOneThatDiffersIsNamed) {
  std::vector<float> six(6);
  const auto a = matrix_of(six, 3);
  EXPECT_EQ(error_text<ShapeError>([&] {
              check_same_shape("op", {"a", a},
                               {{"b", a}, {"c", matrix_of(six, 2)}, {"d", vector_of(six)}});
            }),
            "op: a is [2, 3], c is [3, 2]; expected the same shape.");
}

TEST(ShapesTest, RanksAreCompared) {
  std::vector<float> one(1);
  EXPECT_EQ(error_text<ShapeError>([&] {
              check_same_shape("op", {"a", vector_of(one)}, {{"b", matrix_of(one, 1)}});
            }),
            "op: a is [1], b is [1, 1]; expected the same shape.");
}

TEST(ShapesTest, TheReasonEndsTheSentence) {
  std::vector<float> three(3);
  EXPECT_EQ(error_text<ShapeError>([&] {
              check_shape("gae", {"value", vector_of(three)}, {4}, "one per environment");
            }),
            "gae: value is [3]; expected [4], one per environment.");
}

}  // namespace
}  // namespace mbrl
