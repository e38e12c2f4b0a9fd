// Tests for host/io/csv.{h,cpp}.
#include "host/io/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

TEST(CsvTest, NumbersReadBackExactlyAndNanIsEmpty) {
  const TemporaryDirectory folder;
  CsvWriter csv(folder.path() / "a.csv", {"env_steps", "x", "y"}, -1);
  csv.append({1000, 0.1, std::nan("")});
  csv.append({2000, 1.0 / 3.0, -5});
  EXPECT_EQ(file_text(folder.path() / "a.csv"),
            "env_steps,x,y\n1000,0.1,\n2000,0.3333333333333333,-5\n");
}

TEST(CsvTest, AResumedTableEqualsOneThatNeverStopped) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "a.csv";
  {
    CsvWriter csv(path, {"env_steps", "x"}, -1);
    for (const double step : {10, 20, 30}) csv.append({step, step / 10});
  }
  CsvWriter resumed(path, {"env_steps", "x"}, 20);
  resumed.append({30, 3});
  EXPECT_EQ(file_text(path), "env_steps,x\n10,1\n20,2\n30,3\n");
}

TEST(CsvTest, ARowCutOffInTheMiddleIsDropped) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "a.csv";
  for (const char* cut : {"2", "20", "20,", "20,5", "20\n"}) {
    write_text(path, std::string("env_steps,x\n10,1\n") + cut);
    CsvWriter csv(path, {"env_steps", "x"}, 20);
    EXPECT_EQ(file_text(path), "env_steps,x\n10,1\n") << cut;
  }
}

TEST(CsvTest, WhatEditorsPutAroundLinesIsNoPartOfThem) {
  EXPECT_THAT(whole_lines("\xef\xbb\xbf"
                          "a,b\r\n1,2\r\n"),
              testing::ElementsAre("a,b", "1,2"));
  EXPECT_THAT(whole_lines("a\n\n1\n2"), testing::ElementsAre("a", "", "1"));
  EXPECT_TRUE(whole_lines("").empty());
  const TemporaryDirectory folder;
  const auto path = folder.write("a.csv",
                                 "\xef\xbb\xbf"
                                 "env_steps,x\r\n10,1\r\n20,2\r\n");
  CsvWriter csv(path, {"env_steps", "x"}, 20);
  EXPECT_EQ(file_text(path), "env_steps,x\n10,1\n20,2\n");
}

TEST(CsvTest, RowsThatAResumedRunMissesAreTold) {
  const TemporaryDirectory folder;
  testing::internal::CaptureStderr();
  { CsvWriter csv(folder.path() / "new.csv", {"env_steps", "x"}, 0); }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  testing::internal::CaptureStderr();
  { CsvWriter csv(folder.path() / "a.csv", {"env_steps", "x"}, 20); }
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("a.csv is empty or not there: rows up to step 20 are lost"));
}

TEST(CsvTest, AFreshStartDropsOldRows) {
  const TemporaryDirectory folder;
  { CsvWriter(folder.path() / "a.csv", {"env_steps"}, -1).append({10}); }
  CsvWriter csv(folder.path() / "a.csv", {"env_steps"}, -1);
  EXPECT_EQ(file_text(folder.path() / "a.csv"), "env_steps\n");
}

TEST(CsvTest, AnotherHeaderIsRefused) {
  const TemporaryDirectory folder;
  { CsvWriter csv(folder.path() / "a.csv", {"env_steps", "x"}, -1); }
  try {
    CsvWriter csv(folder.path() / "a.csv", {"env_steps", "y"}, 5);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr("has the columns env_steps,x; this run writes env_steps,y"));
  }
}

}  // namespace
}  // namespace mbrl
