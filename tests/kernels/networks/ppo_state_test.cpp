// Tests for the PpoState of kernels/stages/ppo/ppo_update.{h,cpp}: where training starts, and
// shapes that are refused.
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/stages/ppo/ppo_update.h"
#include "tests/support/matchers.h"
#include "tests/support/problems.h"

namespace mbrl {
namespace {

TEST(PpoInitTest, ASmallGainStartsNearEqualChances) {
  PpoState state(categorical_shape());
  init_ppo(state, {1, purpose::kInit, 0}, 0.01f);
  PpoState large(categorical_shape());
  init_ppo(large, {1, purpose::kInit, 0});
  const LayerLayout& first = state.policy_layout.layers.front();
  const LayerLayout& last = state.policy_layout.layers.back();
  EXPECT_EQ(state.policy.value[first.weight], large.policy.value[first.weight]);
  EXPECT_EQ(state.policy.value[last.weight], 0.01f * large.policy.value[last.weight]);
  EXPECT_NE(large.policy.value[last.weight], 0.0f);
  EXPECT_EQ(to_host(state.value.value), to_host(large.value.value));
}

TEST(PpoInitTest, PoliciesOfNoKindOrTwoAreRefused) {
  const auto text = [](PpoShape shape) {
    return error_text<ShapeError>([&] { PpoState state(shape); });
  };
  EXPECT_EQ(text({.observation_size = 2, .hidden_sizes = {4}, .heads = {}}),
            "ppo: a policy has either heads or an action size; this one has 0 heads and an action "
            "size of 0.");
  EXPECT_EQ(text({.observation_size = 2, .hidden_sizes = {4}, .heads = {2}, .action_size = 1}),
            "ppo: a policy has either heads or an action size; this one has 1 heads and an action "
            "size of 1.");
  EXPECT_EQ(text({.observation_size = 2, .hidden_sizes = {4}, .heads = {2, 0}}),
            "ppo: head 1 has 0 categories; expected at least one.");
  EXPECT_EQ(text({.observation_size = 2, .hidden_sizes = {4}, .heads = std::vector<int>(17, 2)}),
            "ppo: a policy has 17 heads; up to 16 are possible.");
}

}  // namespace
}  // namespace mbrl
