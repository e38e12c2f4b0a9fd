// Tests for host/io/folders.{h,cpp}.
#include "host/io/folders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

TEST(FoldersTest, EachOneOnceAlsoThroughLinksInACircle) {
  const TemporaryDirectory folder;
  const fs::path top = folder.path() / "runs";
  fs::create_directories(top / "a" / "b");
  fs::create_directories(folder.path() / "elsewhere" / "c");
  fs::create_directory_symlink(folder.path() / "elsewhere", top / "linked");
  fs::create_directory_symlink(top, top / "a" / "circle");
  fs::create_symlink(top / "absent", top / "dangling");
  EXPECT_THAT(folders_below(top), testing::ElementsAre(top, top / "a", top / "a" / "b",
                                                       top / "linked", top / "linked" / "c"));
  EXPECT_TRUE(folders_below(folder.path() / "absent").empty());
}

TEST(FoldersTest, RunsThatWereSetAsideAreLeftOut) {
  const TemporaryDirectory folder;
  for (const char* name : {"seed-1", "seed-1.old-2", "seed-1.old-new", "seed-1.arriving"})
    fs::create_directory(folder.path() / name);
  EXPECT_THAT(folders_below(folder.path()),
              testing::ElementsAre(folder.path(), folder.path() / "seed-1",
                                   folder.path() / "seed-1.old-new"));
}

TEST(FoldersTest, ALinkIsNoSecondNameOfAFolder) {
  // "latest" comes before "walker", where the folder would be found first
  const TemporaryDirectory folder;
  fs::create_directories(folder.path() / "walker" / "seed-10");
  fs::create_directories(folder.path() / "walker" / "seed-2");
  fs::create_directory_symlink("walker/seed-10", folder.path() / "latest");
  const fs::path walker = folder.path() / "walker";
  EXPECT_THAT(folders_below(folder.path()),
              testing::ElementsAre(folder.path(), walker, walker / "seed-2", walker / "seed-10"));
  // asked for by that name, it is the folder
  EXPECT_THAT(folders_below(folder.path() / "latest"),
              testing::ElementsAre(folder.path() / "latest"));
}

TEST(FoldersTest, WhatIsNotHereIsLookedForInRuns) {
  const TemporaryDirectory folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  fs::create_directories("runs/hopper");
  fs::create_directories("runs/swimmer");
  fs::create_directories("swimmer");
  EXPECT_EQ(run_path("hopper"), "runs/hopper");
  EXPECT_EQ(run_path("runs/hopper"), "runs/hopper");
  EXPECT_EQ(run_path("swimmer"), "swimmer");
  EXPECT_EQ(run_path("absent"), "absent");
  EXPECT_EQ(run_path(""), "");
  EXPECT_EQ(run_path("/hopper"), "/hopper");
  fs::current_path(before);
}

}  // namespace
}  // namespace mbrl
