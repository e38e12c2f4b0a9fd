// Tests for host/io/discards.{h,cpp}.
#include "host/io/discards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DiscardsTest : public testing::Test {
 protected:
  std::function<void(const std::string&)> warn() {
    return [this](const std::string& text) { warnings_.push_back(text); };
  }
  fs::path make(const std::string& name) {
    fs::create_directories(folder_.path() / name / "deep");
    write_text(folder_.path() / name / "deep" / "file", "x");
    return folder_.path() / name;
  }
  fs::path aside() const { return folder_.path() / "discards"; }

  TemporaryDirectory folder_;
  std::vector<std::string> warnings_;
};

TEST_F(DiscardsTest, FoldersOfOneNameAreOutOfTheWayAtOnceAndThenGone) {
  Discards discards(aside(), warn());
  EXPECT_FALSE(fs::exists(aside())) << "comes with the first";
  for (int i = 0; i < 50; ++i) {
    const fs::path folder = make("a");
    EXPECT_EQ(discards.discard(folder), std::error_code());
    EXPECT_FALSE(fs::exists(folder));
  }
  discards.finish();
  EXPECT_FALSE(fs::exists(aside()));
  EXPECT_GT(discards.thread_seconds(), 0.0);
  EXPECT_LT(discards.thread_seconds(), 5.0);
  // and once more
  discards.discard(make("a"));
  discards.finish();
  EXPECT_FALSE(fs::exists(aside()));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(DiscardsTest, ThreadsDiscardAtTheSameTime) {
  Discards discards(aside(), warn());
  std::vector<fs::path> folders;
  for (int i = 0; i < 80; ++i) folders.push_back(make("f" + std::to_string(i)));
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = t; i < 80; i += 4) discards.discard(folders[static_cast<std::size_t>(i)]);
    });
  threads.clear();
  discards.finish();
  for (const fs::path& folder : folders) EXPECT_FALSE(fs::exists(folder)) << folder;
  EXPECT_FALSE(fs::exists(aside()));
}

TEST_F(DiscardsTest, WhatIsNotThereIsNoError) {
  Discards discards(aside(), warn());
  EXPECT_EQ(discards.discard(folder_.path() / "absent"), std::error_code());
  EXPECT_FALSE(fs::exists(aside()));
}

TEST_F(DiscardsTest, WhatAKilledProcessHasLeftGoesAndNoNewNameMeetsIt) {
  for (const char* name : {"discards/0", "discards/12", "discards/x"}) make(name);
  {
    Discards discards(aside(), warn());
    for (int i = 0; i < 20; ++i) EXPECT_EQ(discards.discard(make("a")), std::error_code());
  }
  EXPECT_FALSE(fs::exists(aside()));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(DiscardsTest, WhereNoNameCanBeChangedItIsDeletedInPlace) {
  write_text(aside(), "a file");
  Discards discards(aside(), warn());
  const fs::path folder = make("a");
  EXPECT_EQ(discards.discard(folder), std::error_code());
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_EQ(file_text(aside()), "a file");
}

TEST_F(DiscardsTest, WhatStaysIsToldAtTheEnd) {
  if (geteuid() == 0) GTEST_SKIP() << "root may delete everything";
  const fs::path folder = make("a");
  fs::permissions(folder / "deep", fs::perms::owner_read | fs::perms::owner_exec);
  Discards discards(aside(), warn());
  EXPECT_EQ(discards.discard(folder), std::error_code());
  discards.finish();
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("discards/0 is no longer needed and cannot be "
                                               "removed: Permission denied.")));
  fs::permissions(aside() / "0/deep", fs::perms::owner_all);
}

}  // namespace
}  // namespace mbrl
