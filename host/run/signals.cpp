#include "host/run/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace mbrl {
namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

template <int kSize>
void say(const char (&text)[kSize]) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, kSize - 1);
}

void on_signal(int signal) {
  const int error = errno;  // of the call that was interrupted
  if (stop.exchange(true) && signal == SIGINT) {
    say("\nstopped at once; existing checkpoints are kept.\n");
    _exit(130);
  }
  say("\nstopping after this step, with a checkpoint; Ctrl-C again stops at once.\n");
  errno = error;
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

bool stop_requested() { return stop.load(std::memory_order_relaxed); }
void request_stop() { stop = true; }
void clear_stop() { stop = false; }

}  // namespace mbrl
