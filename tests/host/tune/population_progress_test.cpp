// Tests for host/tune/population_progress.{h,cpp}.
#include "host/tune/population_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

namespace mbrl {
namespace {

TEST(PopulationProgressTest, ShowsWhatRunsAndHowManyAreDone) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  {
    PopulationProgress progress("stage 2", 3, fds[1], /*terminal=*/false, /*interval_s=*/0.0);
    EXPECT_EQ(progress.text(), "stage 2 0/3");
    const auto first = progress.member("episode 7");
    auto second = progress.member("episode 8");
    first->set_stage("explore");
    second->set_stage("sac");
    second->update({.env_steps = 30, .total_steps = 120, .last_return = -12.34});
    first->update({.env_steps = 0, .total_steps = 120, .last_return = std::nan("")});
    EXPECT_EQ(progress.text(), "stage 2 0/3 | episode 7 explore 0 % - | episode 8 sac 25 % -12.3");
    {
      const auto third = progress.member("episode 9");
      EXPECT_EQ(progress.text(), "stage 2 0/3 | 3 run at 0 to 25 %, returns -12.3 to -12.3");
    }
    second.reset();
    EXPECT_EQ(progress.text(), "stage 2 2/3 | episode 7 explore 0 % -");
  }
  close(fds[1]);
  std::string written;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(fds[0], buffer, sizeof(buffer))) > 0;)
    written.append(buffer, static_cast<std::size_t>(n));
  close(fds[0]);
  EXPECT_THAT(written, testing::HasSubstr("stage 2 2/3 | episode 7 explore 0 % -\n"));
  EXPECT_THAT(written, testing::Not(testing::HasSubstr("\r"))) << "no terminal";
}

TEST(PopulationProgressTest, WithoutATerminalALineComesOnlyEveryInterval) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  {
    PopulationProgress progress("stage 2", 3, fds[1], /*terminal=*/false, /*interval_s=*/1e9);
    const auto member = progress.member("episode 7");
    for (int i = 0; i < 100; ++i) member->update({});
  }
  close(fds[1]);
  char byte;
  EXPECT_EQ(read(fds[0], &byte, 1), 0);
  close(fds[0]);
}

}  // namespace
}  // namespace mbrl
