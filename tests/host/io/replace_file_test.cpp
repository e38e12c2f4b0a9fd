// Tests for host/io/replace_file.{h,cpp}; of links and pipes in output_file_test.cpp.
#include "host/io/replace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ReplaceFileTest : public testing::Test {
 protected:
  fs::path file() const { return folder_.path() / "file"; }
  fs::path unfinished() const { return folder_.path() / "file.tmp"; }
  TemporaryDirectory folder_;
};

TEST_F(ReplaceFileTest, TheOldOneIsThereUntilTheNewOneIsWhole) {
  write_text(file(), "old");
  replace_file(file(), [&](const fs::path& path) {
    EXPECT_EQ(path, unfinished());
    write_text(path, "new");
    EXPECT_EQ(file_text(file()), "old");
  });
  EXPECT_EQ(file_text(file()), "new");
  EXPECT_FALSE(fs::exists(unfinished()));
}

TEST_F(ReplaceFileTest, AFailureLeavesTheOldOneAndNothingBesideIt) {
  write_text(file(), "old");
  const auto fail = [&](const fs::path& path) {
    write_text(path, "half");
    throw DataError("the disk is full.");
  };
  EXPECT_EQ(error_text<DataError>([&] { replace_file(file(), fail); }), "the disk is full.");
  EXPECT_EQ(file_text(file()), "old");
  EXPECT_FALSE(fs::exists(unfinished()));
}

TEST_F(ReplaceFileTest, WhatCannotBeReplacedIsSaid) {
  fs::create_directory(file());
  // a folder is written to as it is, which its writer refuses
  EXPECT_EQ(error_text<DataError>([&] {
              replace_file(file(), [&](const fs::path& path) {
                EXPECT_EQ(path, file());
                throw DataError("a folder.");
              });
            }),
            "a folder.");
  EXPECT_THAT(
      error_text<DataError>([&] { replace_file(folder_.path() / "new", [&](const fs::path&) {}); }),
      HasSubstr("new cannot be replaced: No such file"));
}

}  // namespace
}  // namespace mbrl
