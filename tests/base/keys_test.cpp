// Tests for base/keys.h.
#include "base/keys.h"

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <vector>

namespace mbrl {
namespace {

struct Inner {
  MBRL_KEY(std::vector<int>, sizes, "widths", Unit{"units"}, at_least(1), NumItems{2}) = {3, 4};
};

struct Outer {
  MBRL_KEY(float, rate, "step size", strictly_between(0, 1), kLive) = 0.5f;
  int plain = 7;  // not described
  MBRL_SECTION(Inner, inner);
  MBRL_KEY(std::string, mode,
           "a meaning that takes "
           "two lines",
           Choices{{"a", "b"}}, Formerly{"old.mode"}) = "a";
};

// what is said of the keys, sections as "name:"
struct Found {
  std::vector<std::string> names;
  std::vector<KeyDescription> keys;
};
Found find() {
  Found found;
  for_each_key<Outer>(
      [&](const auto& member) {
        found.names.push_back(member.description.name);
        found.keys.push_back(member.description);
      },
      [&](const auto& member) { found.names.push_back(std::string(member.name) + ":"); });
  return found;
}

TEST(KeysTest, DescribedMembersAreThoseOfAPlainAggregate) {
  static_assert(std::is_aggregate_v<Outer>);
  const Outer usual;
  EXPECT_EQ(usual.rate, 0.5f);
  EXPECT_EQ(usual.mode, "a");
  EXPECT_EQ(usual.inner.sizes, (std::vector<int>{3, 4}));
  const Outer given{.rate = 0.25f, .inner = {.sizes = {1, 2}}};
  EXPECT_EQ(given.rate, 0.25f);
  EXPECT_EQ(given.inner.sizes[1], 2);
}

TEST(KeysTest, AreFoundInTheOrderOfTheirLines) {
  EXPECT_EQ(find().names, (std::vector<std::string>{"rate", "inner:", "mode"}));
}

TEST(KeysTest, HaveTheirProperties) {
  const Found found = find();
  ASSERT_EQ(found.keys.size(), 2u);
  const KeyDescription &rate = found.keys[0], &mode = found.keys[1];
  EXPECT_EQ(rate.text, "step size");
  EXPECT_EQ(rate.unit, "");
  EXPECT_EQ(rate.range.low, 0.0);
  EXPECT_EQ(rate.range.high, 1.0);
  EXPECT_TRUE(rate.range.low_open && rate.range.high_open);
  EXPECT_TRUE(rate.live);
  EXPECT_EQ(mode.text, "a meaning that takes two lines");
  EXPECT_EQ(mode.choices, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(mode.former_path, "old.mode");
  EXPECT_FALSE(mode.live);
  for_each_key<Inner>(
      [](const auto& member) {
        EXPECT_EQ(member.description.unit, "units");
        EXPECT_EQ(member.description.num_items, 2);
      },
      [](const auto&) { FAIL() << "there is no section"; });
}

TEST(KeysTest, LeadToTheirMembers) {
  Outer object;
  for_each_key<Outer>(
      [&](const auto& member) {
        if constexpr (std::is_same_v<decltype(member.get(object)), float&>)
          member.get(object) = 0.75f;
      },
      [&](const auto& member) {
        member.get(object).sizes = {9, 9};
      });
  EXPECT_EQ(object.rate, 0.75f);
  EXPECT_EQ(object.inner.sizes, (std::vector<int>{9, 9}));
}

}  // namespace
}  // namespace mbrl
