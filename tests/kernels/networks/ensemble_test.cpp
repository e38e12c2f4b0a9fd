// Tests for kernels/networks/ensemble.{h,cpp}: where training starts.
#include "kernels/networks/ensemble.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace mbrl {
namespace {

TEST(EnsembleInitTest, WeightsAreTruncatedNormalWithDeviationHalfOverRootOfInputs) {
  EnsembleState state(7, {11, 3}, 200, 4);
  init_ensemble(state, 1, 0, 0.5f, -10.0f);
  for (const LayerLayout& l : state.layout.layers) {
    const double deviation = 0.5 / std::sqrt(static_cast<double>(l.in));
    double sum = 0.0, squares = 0.0, largest = 0.0, count = 0.0;
    for (int e = 0; e < 7; ++e) {
      for (int o = 0; o < l.out; ++o) {
        EXPECT_EQ(state.member(e)[l.bias + o], 0.0f);
        for (int i = 0; i < l.in; ++i) {
          const double w =
              state.member(e)[l.weight + static_cast<std::size_t>(o) * l.in_pitch + i] / deviation;
          sum += w;
          squares += w * w;
          largest = std::max(largest, std::abs(w));
          ++count;
        }
      }
    }
    EXPECT_NEAR(sum / count, 0.0, 5.0 / std::sqrt(count));
    // variance of a standard normal cut at 2: 0.7737
    EXPECT_NEAR(squares / count, 0.7737, 5.0 / std::sqrt(count));
    EXPECT_LE(largest, 2.0 + 1e-5);
    EXPECT_GT(largest, 1.9);
  }
}

TEST(EnsembleInitTest, AModelWithoutDistributionsHasOneOutputPerTargetAndNoBounds) {
  EnsembleState state(2, TransitionLayout{3, 2}, 10, 2, Memory::kHost, {EnsembleLoss::kMse});
  init_ensemble(state, 1, 0, 0.5f, -10.0f);
  EXPECT_EQ(state.layout.output_size(), 4);
  EXPECT_EQ(state.logvar_bounds.value.size(), 0u);
  EXPECT_EQ(EnsembleState(2, TransitionLayout{3, 2}, 10, 2).layout.output_size(), 2 * 4);
}

TEST(EnsembleInitTest, MembersDiffer) {
  EnsembleState state(3, TransitionLayout{3, 2}, 10, 2);
  init_ensemble(state, 1, 0, 0.5f, -10.0f);
  EXPECT_NE(state.member(0)[0], state.member(1)[0]);
  EXPECT_NE(state.member(1)[0], state.member(2)[0]);
}

}  // namespace
}  // namespace mbrl
