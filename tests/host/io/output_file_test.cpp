// Tests for host/io/output_file.{h,cpp}.
#include "host/io/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(OutputFileTest, AFullDiskTellsWhatIsNeededAndWhatIsFree) {
  OutputFile file("/dev/full", OutputFile::Mode::kAppend, 3 << 20);
  EXPECT_THAT(
      error_text<DataError>([&] { file.write("x"); }),
      testing::AllOf(
          HasSubstr(
              "/dev/full cannot be written: No space left on device; the file needs 3.00 MiB, "),
          HasSubstr("are free there"),
          // a figure's command has no such option
          testing::EndsWith(" Free some space or choose another disk.")));
}

TEST(OutputFileTest, AFolderThatIsNotThereHasNoAdviceOfAnotherCommand) {
  EXPECT_EQ(error_text<DataError>([] { write_file_atomically("/nonexistent/x.svg", "x"); })
                .find("--runs"),
            std::string::npos);
}

TEST(OutputFileTest, APipeIsWrittenToAndStays) {
  const TemporaryDirectory folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::string read;
  std::thread reader([&] { read = read_file(pipe); });
  write_file_atomically(pipe, "<svg/>");
  reader.join();
  EXPECT_EQ(read, "<svg/>");
  EXPECT_TRUE(fs::is_fifo(pipe));
}

TEST(OutputFileTest, ASymbolicLinkStaysAndItsFileIsReplaced) {
  const TemporaryDirectory folder;
  fs::create_directory(folder.path() / "elsewhere");
  for (const char* there : {"old", ""}) {
    const fs::path target = folder.path() / "elsewhere" / (std::string("figure") + there);
    const fs::path link = folder.path() / (std::string("link") + there);
    if (*there != '\0') write_text(target, there);
    fs::create_symlink(target, link);
    write_file_atomically(link, "new");
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_EQ(file_text(target), "new");
  }
}

TEST(OutputFileTest, FoldersAreMadeWithThoseAboveThem) {
  const TemporaryDirectory folder;
  const std::filesystem::path deep = folder.path() / "a" / "b" / "c";
  EXPECT_FALSE(make_folders(deep));
  EXPECT_TRUE(std::filesystem::is_directory(deep));
  EXPECT_FALSE(make_folders(deep));
  folder.write("file", "");
  EXPECT_TRUE(make_folders(folder.path() / "file" / "d"));
}

TEST(OutputFileTest, WhatCannotBeReadIsToldFromWhatIsTooLarge) {
  const TemporaryDirectory folder;
  EXPECT_THAT(error_text<ReadError>([&] { read_file(folder.path() / "absent"); }),
              HasSubstr("absent cannot be read: No such file or directory."));
  EXPECT_THAT(error_text<DataError>([&] { read_file("/dev/zero", 1000); }),
              HasSubstr("/dev/zero holds more than 1000 bytes"));
}

}  // namespace
}  // namespace mbrl
