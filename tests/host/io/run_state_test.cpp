// Tests for host/io/run_state.{h,cpp}.
#include "host/io/run_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(RunStateTest, AFolderWithoutAMarkerHoldsAnOpenRun) {
  const TemporaryDirectory folder;
  EXPECT_EQ(run_status(folder.path()), RunStatus::kOpen);
  EXPECT_EQ(run_status(folder.path() / "absent"), RunStatus::kOpen);
  // what a run leaves on its way is no marker
  folder.write("trajectory.json", "{}");
  folder.write("metrics.csv", "env_steps\n");
  EXPECT_EQ(run_status(folder.path()), RunStatus::kOpen);
}

TEST(RunStateTest, ReadsWhatWasWritten) {
  const TemporaryDirectory folder;
  for (const RunStatus status : {RunStatus::kPaused, RunStatus::kStopped, RunStatus::kFailed,
                                 RunStatus::kDiverged, RunStatus::kDone}) {
    write_run_state(folder.path(), status, {{"seed", 3}});
    EXPECT_EQ(run_status(folder.path()), status);
    EXPECT_EQ(is_done(folder.path()), status == RunStatus::kDone);
  }
  EXPECT_EQ(nlohmann::json::parse(file_text(folder.path() / "summary.json")),
            (nlohmann::json{{"status", "done"}, {"seed", 3}}));
  open_run_state(folder.path());
  EXPECT_EQ(run_status(folder.path()), RunStatus::kOpen);
}

TEST(RunStateTest, MarkersOfEarlierVersionsAreUnderstood) {
  const TemporaryDirectory folder;
  folder.write("summary.json", "{\n  \"status\": \"done\",\n  \"env_steps\": 4000\n}\n");
  EXPECT_EQ(run_status(folder.path()), RunStatus::kDone);
  folder.write("summary.json", "{\"status\": \"failed\"}");
  EXPECT_EQ(run_status(folder.path()), RunStatus::kFailed);
  folder.write("failed.json", "{\"error\": \"bad luck\"}");
  EXPECT_EQ(run_status(folder.path()), RunStatus::kDiverged);
  // a start takes both away
  open_run_state(folder.path());
  EXPECT_FALSE(fs::exists(folder.path() / "failed.json"));
  EXPECT_FALSE(fs::exists(folder.path() / "summary.json"));
}

TEST(RunStateTest, RunsThatHaveNotReachedTheirEndsAreListed) {
  const TemporaryDirectory folder;
  std::vector<fs::path> tables{folder.path() / "published.csv"};
  for (const char* name : {"a", "b", "c"}) {
    fs::create_directory(folder.path() / name);
    folder.write(std::string(name) + "/config.json", "{}");
    tables.push_back(folder.path() / name / "metrics.csv");
  }
  for (const char* name : {"a", "b", "c"})
    write_run_state(folder.path() / name, RunStatus::kDone, {});
  EXPECT_EQ(unfinished_text(tables), "");
  write_run_state(folder.path() / "b", RunStatus::kStopped, {});
  EXPECT_EQ(unfinished_text(tables), "1 of 3 runs has not reached the end: " +
                                         (folder.path() / "b").string() + " (stopped)");
  open_run_state(folder.path() / "c");
  EXPECT_THAT(unfinished_text(tables), HasSubstr("2 of 3 runs have not reached the end: "));
  EXPECT_THAT(unfinished_text(tables), HasSubstr("c (open)"));
}

TEST(RunStateTest, ADamagedMarkerIsNamed) {
  const TemporaryDirectory folder;
  for (const char* text : {"", "{\"status\": ", "{}", "[]", "{\"status\": 7}"}) {
    folder.write("summary.json", text);
    EXPECT_THAT(error_text<DataError>([&] { run_status(folder.path()); }),
                HasSubstr((folder.path() / "summary.json").string()))
        << text;
  }
}

}  // namespace
}  // namespace mbrl
