// Tests for host/io/progress.{h,cpp}.
#include "host/io/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace mbrl {
namespace {

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

TEST_F(ProgressTest, RatesAreOfThisProcessAlone) {
  Progress progress(fds_[1], false, 0.0);
  // a run that was resumed begins here
  progress.update({.env_steps = 1000, .total_steps = 2000, .updates = 500});
  EXPECT_THAT(read_all(), testing::HasSubstr(", 0.0 steps/s, 0 updates/s, "));
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

TEST(StatusLineTest, ADumbTerminalGetsPlainLines) {
  EXPECT_TRUE(can_rewrite_lines(true, "xterm-256color"));
  EXPECT_FALSE(can_rewrite_lines(true, "dumb"));
  EXPECT_FALSE(can_rewrite_lines(true, ""));
  EXPECT_FALSE(can_rewrite_lines(true, nullptr));
  EXPECT_FALSE(can_rewrite_lines(false, "xterm"));
}

TEST(DurationTest, HoursMinutesSeconds) {
  EXPECT_EQ(duration_text(5), "0:05");
  EXPECT_EQ(duration_text(245), "4:05");
  EXPECT_EQ(duration_text(3723), "1:02:03");
}

}  // namespace
}  // namespace mbrl
