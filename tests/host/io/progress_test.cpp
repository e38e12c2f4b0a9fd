// Tests for host/io/progress.{h,cpp}.
#include "host/io/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
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
  progress.update({.env_steps = 133, .total_steps = 400, .last_return = 12.25});
  EXPECT_EQ(read_all(),
            " 33 %  ETA -  sac        0.0 steps/s  episode 12.2  133 of 400 env steps\n");
  progress.update({.env_steps = 399,
                   .total_steps = 400,
                   .last_return = 12.25,
                   .evaluation = 300.0,
                   .seconds_left = 3723.0});
  EXPECT_THAT(read_all(),
              testing::MatchesRegex(" 99 %  ETA 1:02:03  sac        [0-9.]+ steps/s  eval 300.0  "
                                    "399 of 400 env steps\n"));
}

TEST_F(ProgressTest, AReturnThatDoesNotExistYetIsADash) {
  Progress progress(fds_[1], false, 0.0);
  progress.update({.env_steps = 1, .total_steps = 2, .last_return = std::nan("")});
  EXPECT_THAT(read_all(), testing::HasSubstr("  episode -  "));
}

TEST_F(ProgressTest, ALongStageKeepsTheLineAliveAndSaysHowFarItIs) {
  Progress progress(fds_[1], false, 0.0);
  progress.update({.env_steps = 1, .total_steps = 2});
  progress.set_stage("model_fit");
  read_all();
  progress.set_stage("model_fit");
  EXPECT_THAT(read_all(), testing::StartsWith(" 50 %  ETA -  model_fit  "));
  progress.set_detail("epoch 3");
  EXPECT_THAT(read_all(), testing::HasSubstr("  model_fit epoch 3  "));
  progress.set_stage("model_fit");
  EXPECT_THAT(read_all(), testing::HasSubstr("  model_fit epoch 3  "));
  progress.set_stage("sac");
  EXPECT_EQ(read_all().find("epoch"), std::string::npos);
}

TEST_F(ProgressTest, TheRateIsOfThisProcessAlone) {
  Progress progress(fds_[1], false, 0.0);
  // a run that was resumed begins here
  progress.update({.env_steps = 1000, .total_steps = 2000});
  EXPECT_THAT(read_all(), testing::HasSubstr("  0.0 steps/s  "));
}

TEST_F(ProgressTest, ExplorationCountsForNoRate) {
  Progress progress(fds_[1], false, 0.0);
  progress.update({.env_steps = 0, .total_steps = 2000, .exploring = true});
  read_all();
  progress.update({.env_steps = 1000, .total_steps = 2000, .exploring = true});
  EXPECT_THAT(read_all(), testing::Not(testing::HasSubstr("  0.0 steps/s  ")));
  progress.update({.env_steps = 1001, .total_steps = 2000});
  EXPECT_THAT(read_all(), testing::HasSubstr("  0.0 steps/s  "));
}

TEST(ProgressFieldsTest, WhatDoesNotFitIsLeftOutFromTheEndOn) {
  const std::vector<std::string> fields{"one", "two", "three"};
  EXPECT_EQ(fitting_fields(fields, std::string::npos), "one  two  three");
  EXPECT_EQ(fitting_fields(fields, 15), "one  two  three");
  EXPECT_EQ(fitting_fields(fields, 14), "one  two");
  EXPECT_EQ(fitting_fields(fields, 8), "one  two");
  EXPECT_EQ(fitting_fields(fields, 7), "one");
  EXPECT_EQ(fitting_fields(fields, 1), "one") << "the line itself is cut";
}

// A terminal of so many columns.
class Terminal {
 public:
  explicit Terminal(unsigned short columns) {
    const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(openpty(&own_, &end_, nullptr, nullptr, &size), 0);
  }
  ~Terminal() {
    close(own_);
    close(end_);
  }
  int end() const { return end_; }
  // What stands on the line now. A terminal hands on what is written a moment later: a mark of our own comes last.
  std::string line() {
    constexpr char kMark = '\a';
    EXPECT_EQ(write(end_, &kMark, 1), 1);
    std::string all;
    char text[4096];
    while (!all.ends_with(kMark)) {
      const ssize_t count = read(own_, text, sizeof(text));
      if (count <= 0) {
        ADD_FAILURE() << "the terminal is closed";
        return all;
      }
      all.append(text, static_cast<std::size_t>(count));
    }
    all = all.substr(all.rfind('\r') + 1);
    return all.substr(0, all.find("\033[K"));
  }

 private:
  int own_ = -1, end_ = -1;
};

TEST(ProgressOnATerminalTest, TheLineFitsEveryWidth) {
  const std::string fields[] = {" 12 %", "ETA 1:02:03", "model_fit epoch 12, holdout error 0.0345"};
  for (const unsigned short columns : {132, 80, 40, 20, 6}) {
    Terminal terminal(columns);
    Progress progress(terminal.end(), true, 0.0);
    progress.update({.env_steps = 15000,
                     .total_steps = 125000,
                     .last_return = 512.5,
                     .evaluation = 1234.5,
                     .seconds_left = 3723.0});
    progress.set_stage("model_fit");
    progress.set_detail("epoch 12, holdout error 0.0345");
    const std::string line = terminal.line();
    EXPECT_LT(line.size(), columns) << line;
    EXPECT_EQ(line.substr(0, 5), fields[0]) << columns;
    EXPECT_EQ(line.find(fields[1]) != std::string::npos, columns >= 20) << line;
    EXPECT_EQ(line.find(fields[2]) != std::string::npos, columns >= 80) << line;
    EXPECT_EQ(line.find("eval 1234.5") != std::string::npos, columns == 132) << line;
  }
}

TEST_F(ProgressTest, LinesAreNoMoreFrequentThanTheInterval) {
  Progress progress(fds_[1], false, 1000.0);
  for (int i = 1; i < 1000; ++i) progress.update({.env_steps = i, .total_steps = 5000});
  progress.finish();
  const std::string text = read_all();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, testing::HasSubstr("999 of 5000 env steps"));
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
