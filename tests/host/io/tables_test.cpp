// Tests for host/io/{csv,tensorboard,crc32c,progress}.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "base/error.h"
#include "host/io/crc32c.h"
#include "host/io/csv.h"
#include "host/io/progress.h"
#include "host/io/tensorboard.h"
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

TEST(Crc32cTest, MatchesRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
}

TEST(TensorboardTest, ARecordIsLengthChecksumDataChecksum) {
  const std::string record = tfrecord("abc");
  ASSERT_EQ(record.size(), 8u + 4 + 3 + 4);
  EXPECT_EQ(record.substr(0, 8), std::string("\3\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(12, 3), "abc");
  const std::uint32_t crc = crc32c("abc");
  const std::uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  std::uint32_t found = 0;
  std::copy_n(record.data() + 15, 4, reinterpret_cast<char*>(&found));
  EXPECT_EQ(found, masked);
}

TEST(TensorboardTest, AScalarEventIsTheProtobufBytes) {
  // wall_time 1.0 (field 1, double), step 300 (field 2, varint), summary (field 5) of value (field
  // 1) with tag "a" (field 1) and simple_value 2.0 (field 2, float)
  const std::string expected(
      "\x09\0\0\0\0\0\0\xf0\x3f\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01\x61\x15\0\0\0\x40", 24);
  EXPECT_EQ(scalar_event(1.0, 300, "a", 2.0f), expected);
}

TEST(TensorboardTest, AResumedRunVoidsWhatEarlierFilesHoldBeyondItsStart) {
  // wall_time 1.0, step 21, session_log (field 7) with status START (field 1, 1)
  EXPECT_EQ(session_start_event(1.0, 21),
            std::string("\x09\0\0\0\0\0\0\xf0\x3f\x10\x15\x3a\x02\x08\x01", 15));
  const TemporaryDirectory folder;
  { TensorboardWriter first(folder.path()); }
  { TensorboardWriter resumed(folder.path(), 20); }
  std::string text;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    text += file_text(entry.path());
  EXPECT_THAT(text, testing::HasSubstr(std::string("\x10\x15\x3a\x02\x08\x01")));
}

TEST(TensorboardTest, AFreshStartDeletesEarlierEventsAndNothingElse) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "events.out.tfevents.1.other", "old");
  write_text(folder.path() / "notes.txt", "mine");
  TensorboardWriter writer(folder.path());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "events.out.tfevents.1.other"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "notes.txt"));
}

class ProgressTest : public testing::Test {
 protected:
  ProgressTest() { EXPECT_EQ(pipe(fds_), 0); }
  ~ProgressTest() override {
    close(fds_[0]);
    close(fds_[1]);
  }
  std::string read_all() {
    char text[4096];
    const ssize_t count = read(fds_[0], text, sizeof(text));
    return std::string(text, count > 0 ? static_cast<std::size_t>(count) : 0);
  }
  int fds_[2];
};

TEST_F(ProgressTest, WithoutATerminalItWritesWholeLines) {
  Progress progress(fds_[1], /*terminal=*/false, /*interval_s=*/0.0);
  progress.set_stage("sac");
  progress.update({.env_steps = 100, .total_steps = 400, .updates = 50, .last_return = 12.25});
  const std::string text = read_all();
  EXPECT_THAT(text, testing::StartsWith("sac        100/400 env steps, "));
  EXPECT_THAT(text, testing::HasSubstr("last return 12.2"));
  EXPECT_THAT(text, testing::HasSubstr("ETA -"));
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.back(), '\n');
}

TEST_F(ProgressTest, AReturnThatDoesNotExistYetIsADash) {
  Progress progress(fds_[1], false, 0.0);
  progress.update({.env_steps = 1, .total_steps = 2, .last_return = std::nan("")});
  EXPECT_THAT(read_all(), testing::HasSubstr("last return -, "));
}

TEST_F(ProgressTest, ALongStageKeepsTheLineAlive) {
  Progress progress(fds_[1], false, 0.0);
  progress.update({.env_steps = 1, .total_steps = 2});
  progress.set_stage("model_fit");
  read_all();
  progress.set_stage("model_fit");
  EXPECT_THAT(read_all(), testing::StartsWith("model_fit  1/2 env steps"));
}

TEST_F(ProgressTest, LinesAreNoMoreFrequentThanTheInterval) {
  Progress progress(fds_[1], false, 1000.0);
  for (int i = 1; i < 1000; ++i) progress.update({.env_steps = i, .total_steps = 5000});
  progress.finish();
  const std::string text = read_all();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, testing::HasSubstr("999/5000"));
}

TEST_F(ProgressTest, OnATerminalOneLineIsRewrittenAndCanBeCleared) {
  Progress progress(fds_[1], /*terminal=*/true, 0.0);
  progress.update({.env_steps = 1, .total_steps = 5});
  progress.update({.env_steps = 2, .total_steps = 5});
  progress.clear();
  const std::string text = read_all();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 3);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0);
  EXPECT_TRUE(text.ends_with("\r\033[K"));
}

TEST(DurationTest, HoursMinutesSeconds) {
  EXPECT_EQ(duration_text(5), "0:05");
  EXPECT_EQ(duration_text(245), "4:05");
  EXPECT_EQ(duration_text(3723), "1:02:03");
}

}  // namespace
}  // namespace mbrl
