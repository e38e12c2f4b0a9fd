// Tests for host/run/signals.{h,cpp}.
#include "host/run/signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace mbrl {
namespace {

using testing::HasSubstr;

// Runs `action` in a child with standard error in a pipe; returns its exit code and what it wrote.
template <typename Action>
std::pair<int, std::string> in_child(Action action) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(fds[1], STDERR_FILENO);
    action();
    _exit(0);
  }
  close(fds[1]);
  std::string text;
  char block[256];
  for (ssize_t count; (count = read(fds[0], block, sizeof(block))) > 0;)
    text.append(block, static_cast<std::size_t>(count));
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

TEST(SignalsTest, TermAndIntAskForAStop) {
  install_signal_handlers();
  for (const int signal : {SIGTERM, SIGINT}) {
    clear_stop();
    EXPECT_FALSE(stop_requested());
    raise(signal);
    EXPECT_TRUE(stop_requested());
  }
  clear_stop();
}

TEST(SignalsTest, ASecondInterruptEndsAtOnceAndSaysWhatIsLeft) {
  const auto [code, text] = in_child([] {
    install_signal_handlers();
    clear_stop();
    raise(SIGINT);
    raise(SIGINT);
  });
  EXPECT_EQ(code, 130);
  EXPECT_THAT(text, testing::AllOf(HasSubstr("stopping after this step, with a checkpoint"),
                                   HasSubstr("stopped at once; existing checkpoints are kept")));
}

TEST(SignalsTest, ASecondTermWaitsForTheCheckpoint) {
  const auto [code, text] = in_child([] {
    install_signal_handlers();
    clear_stop();
    raise(SIGTERM);
    raise(SIGTERM);
    _exit(stop_requested() ? 7 : 8);
  });
  EXPECT_EQ(code, 7);
}

TEST(SignalsTest, AClosedPipeAndAFileSizeLimitAreErrorsNotTheEnd) {
  const auto [code, text] = in_child([] {
    install_signal_handlers();
    raise(SIGPIPE);
    raise(SIGXFSZ);
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace mbrl
