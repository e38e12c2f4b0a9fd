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

TEST(SignalsTest, AClosedTerminalAndALimitOnProcessorTimeAskForAStopToo) {
  for (const int signal : {SIGHUP, SIGXCPU}) {
    const auto [code, text] = in_child([signal] {
      ::signal(SIGHUP, SIG_DFL);
      install_signal_handlers();
      clear_stop();
      // as often as it comes
      for (int i = 0; i < 3; ++i) raise(signal);
      _exit(stop_requested() ? 7 : 8);
    });
    EXPECT_EQ(code, 7);
    EXPECT_EQ(text, "\nstopping after this step, with a checkpoint; Ctrl-C again stops at once.\n");
  }
}

TEST(SignalsTest, UnderNohupAClosedTerminalChangesNothing) {
  const auto [code, text] = in_child([] {
    ::signal(SIGHUP, SIG_IGN);
    install_signal_handlers();
    clear_stop();
    raise(SIGHUP);
    _exit(stop_requested() ? 7 : 8);
  });
  EXPECT_EQ(code, 8);
  EXPECT_EQ(text, "");
}

TEST(SignalsTest, Usr1AsksForACheckpointAndNoStop) {
  const auto [code, text] = in_child([] {
    install_signal_handlers();
    clear_stop();
    const int before = num_saves_requested();
    raise(SIGUSR1);
    raise(SIGUSR1);
    _exit(!stop_requested() && num_saves_requested() == before + 2 ? 7 : 8);
  });
  EXPECT_EQ(code, 7);
  EXPECT_THAT(text, HasSubstr("saving a checkpoint after this step, as SIGUSR1 asks"));
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
