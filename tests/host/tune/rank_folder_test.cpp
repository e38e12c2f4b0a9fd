// Tests for host/tune/rank_folder.{h,cpp}: what a rank sees of a run's folder, and how what has arrived
// takes its place. The way between two ranks is in tests/learning/ranks_test.cpp.
#include "host/tune/rank_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "host/tune/study/process_name.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::UnorderedElementsAre;

class RankFolderTest : public testing::Test {
 protected:
  static void put(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    write_text(file, text);
  }
  // a checkpoint whose files hold a word
  void checkpoint(const std::string& run, int step, const std::string& word) {
    const fs::path folder =
        folder_.path() / run / "checkpoints" / ("step-00000000" + std::to_string(step));
    put(folder / "weights.safetensors", word);
    put(folder / "DONE", "done " + word);
  }
  std::vector<std::string> steps(const std::string& run) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path() / run / "checkpoints"))
      names.push_back(entry.path().filename());
    return names;
  }
  std::string text(const std::string& file) const { return file_text(folder_.path() / file); }
  TemporaryDirectory folder_;
};

TEST_F(RankFolderTest, AFolderIsSeenAsItIsOrNotAtAll) {
  const fs::path run = folder_.path() / "a/b/run";
  nlohmann::json message;
  {
    const FolderMark mark(run);
    message = mark.message();
    EXPECT_TRUE(sees_mark(message));
    // where it is not, and where another mark is
    nlohmann::json elsewhere = message;
    elsewhere["folder"] = (folder_.path() / "c").string();
    EXPECT_FALSE(sees_mark(elsewhere));
    const FolderMark second(folder_.path() / "c");
    EXPECT_FALSE(sees_mark(elsewhere));
    EXPECT_TRUE(sees_mark(second.message()));
    // yesterday's checkpoints, or tomorrow's
    checkpoint("a/b/run", 1, "old");
    EXPECT_FALSE(sees_mark(message));
    message = mark.message();
    EXPECT_TRUE(sees_mark(message));
    checkpoint("a/b/run", 1, "new");
    EXPECT_FALSE(sees_mark(message));
    message = mark.message();
    EXPECT_TRUE(sees_mark(message));
    checkpoint("a/b/run", 2, "new");
    EXPECT_FALSE(sees_mark(message));
    message = mark.message();
    EXPECT_TRUE(sees_mark(message));
  }
  EXPECT_FALSE(sees_mark(message));
  EXPECT_THAT(steps("a/b/run"), UnorderedElementsAre("step-000000001", "step-000000002"));
}

TEST_F(RankFolderTest, WhatArrivedTakesThePlaceOfWhatWasThere) {
  put(folder_.path() / "run/metrics.csv", "1\n");
  put(folder_.path() / "run/copied", "from 3");
  put(folder_.path() / "run/lock", "4711");
  for (const int step : {1, 2}) checkpoint("run", step, "there");
  put(folder_.path() / "arrived/metrics.csv", "1\n2\n");
  put(folder_.path() / "arrived/failed/step-000000004/DONE", "x");
  put(folder_.path() / "arrived/lock", "815");
  for (const int step : {2, 3}) checkpoint("arrived", step, "arrived");
  adopt_folder(folder_.path() / "arrived", folder_.path() / "run");
  EXPECT_EQ(text("run/metrics.csv"), "1\n2\n");
  EXPECT_EQ(text("run/failed/step-000000004/DONE"), "x");
  EXPECT_EQ(text("run/copied"), "from 3");
  EXPECT_EQ(text("run/lock"), "4711");
  EXPECT_THAT(steps("run"), UnorderedElementsAre("step-000000002", "step-000000003"));
  EXPECT_EQ(text("run/checkpoints/step-000000002/weights.safetensors"), "there");
  EXPECT_EQ(text("run/checkpoints/step-000000003/weights.safetensors"), "arrived");
  EXPECT_EQ(text("run/checkpoints/step-000000003/DONE"), "done arrived");
  EXPECT_FALSE(fs::exists(folder_.path() / "arrived"));
  // one whose checkpoints are gone, as it is complete
  put(folder_.path() / "arrived/summary.json", "{}");
  adopt_folder(folder_.path() / "arrived", folder_.path() / "run");
  EXPECT_TRUE(steps("run").empty());
}

TEST_F(RankFolderTest, ScratchFoldersGoWithTheirProcess) {
  setenv("TMPDIR", folder_.path().c_str(), 1);
  const std::string own = "mbrl_gpu-rank-" + own_process_name();
  // of a process of this machine that has ended: the number is that of one which began at another time
  std::string dead = own;
  dead.back() = dead.back() == '1' ? '2' : '1';
  put(folder_.path() / dead / "0/file", "x");
  put(folder_.path() / "other/file", "x");
  {
    const ScratchFolder first, second;
    EXPECT_NE(first.path(), second.path());
    EXPECT_TRUE(fs::is_empty(first.path()));
    ScratchFolder::sweep_up();
    EXPECT_TRUE(fs::exists(first.path()) && fs::exists(second.path()));
    EXPECT_FALSE(fs::exists(folder_.path() / dead));
  }
  EXPECT_FALSE(fs::exists(folder_.path() / own));
  EXPECT_TRUE(fs::exists(folder_.path() / "other/file"));
  unsetenv("TMPDIR");
}

}  // namespace
}  // namespace mbrl
