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
