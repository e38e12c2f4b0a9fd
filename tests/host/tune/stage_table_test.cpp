// Tests for host/tune/autombpo/stage_table.{h,cpp}: what is written reads back, and nothing else does.
#include "host/tune/autombpo/stage_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

TEST(StageTableTest, WhatIsWrittenReadsBack) {
  const TemporaryDirectory directory;
  const AutoMbpoFolder folder(directory.path());
  EXPECT_TRUE(read_stages(folder).empty()) << "a new run";
  StageRecord record{.group = 1, .stage = 2, .num_episodes = 3, .mean_return = 0.1};
  record.losses.entropy = 0.25f;
  // JSON has no NaN
  record.losses.approx_kl = std::numeric_limits<float>::quiet_NaN();
  write_stages(folder, {record, {}});
  const std::vector<StageRecord> stages = read_stages(folder);
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].stage, 2);
  EXPECT_EQ(stages[0].mean_return, 0.1);
  EXPECT_EQ(stages[0].losses.entropy, 0.25f);
  EXPECT_TRUE(std::isnan(stages[0].losses.approx_kl));
  EXPECT_EQ(stages[1].num_episodes, 0);
}

TEST(StageTableTest, AForeignTableIsRefusedByTheNameOfWhatIsWrong) {
  const TemporaryDirectory directory;
  const AutoMbpoFolder folder(directory.path());
  const auto error = [&](const std::string& text) {
    write_text(folder.stages_json(), text);
    return error_text<DataError>([&] { read_stages(folder); });
  };
  for (const char* group : {"1e300", "1.5", "null", "\"x\"", "4294967296"})
    EXPECT_THAT(error(std::string("[{\"group\": ") + group + "}]"),
                HasSubstr("stages.json: group is "));
  EXPECT_THAT(error("[{}]"), HasSubstr("stages.json is not what"));
  EXPECT_THAT(error("[1]"), HasSubstr("stages.json is not what"));
}

}  // namespace
}  // namespace mbrl
