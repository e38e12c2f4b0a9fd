// Tests for host/io/archive.{h,cpp}: what a state may hold when it is loaded.
#include "host/io/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/support/error_text.h"

namespace mbrl {
namespace {

using nlohmann::json;

std::string refused(const json& elites) {
  const json state{{"elites", elites}};
  StateReader reader(state, [](Archive::File, const TensorRef&) {});
  std::vector<int> values;
  const std::string text =
      error_text<Error>([&] { reader.indices("elites", values, /*max_count=*/3, /*limit=*/7); });
  if (text.empty()) EXPECT_EQ(json(values), elites);
  return text;
}

TEST(ArchiveIndicesTest, AreBelowTheLimitAndNotTooMany) {
  EXPECT_EQ(refused({0, 6}), "");
  EXPECT_EQ(refused({6, 6, 6}), "");
  EXPECT_THAT(refused({0, 7}),
              testing::HasSubstr("is [0,7]; expected at most 3 numbers from 0 to 6"));
  for (const json& wrong :
       {json{-1}, json{0, 1, 2, 3}, json::array(), json{1.0}, json{"1"}, json(1), json(nullptr)})
    EXPECT_NE(refused(wrong), "") << wrong;
}

}  // namespace
}  // namespace mbrl
