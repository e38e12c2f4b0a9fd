#include "host/run/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace mbrl {
namespace {

std::atomic<bool> stop{false};
std::atomic<int> saves{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "set from a signal handler");

template <int kSize>
void say(const char (&text)[kSize]) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, kSize - 1);
}

void on_signal(int signal) {
  const int error = errno;  // of the call that was interrupted
  const bool again = stop.exchange(true);
  if (again && signal == SIGINT) {
    say("\nstopped at once; existing checkpoints are kept.\n");
    _exit(130);
  }
  // SIGXCPU comes every second
  if (!again) say("\nstopping after this step, with a checkpoint; Ctrl-C again stops at once.\n");
  errno = error;
}

void on_save_signal(int) {
  const int error = errno;
  ++saves;
  say("\nsaving a checkpoint after this step, as SIGUSR1 asks.\n");
  errno = error;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

void install_signal_handlers() {
  for (const int signal : {SIGINT, SIGTERM, SIGXCPU}) handle(signal, on_signal);
  if (!is_ignored(SIGHUP)) handle(SIGHUP, on_signal);
  handle(SIGUSR1, on_save_signal);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

bool stop_requested() { return stop.load(std::memory_order_relaxed); }
void request_stop() { stop = true; }
void clear_stop() { stop = false; }
int num_saves_requested() { return saves.load(std::memory_order_relaxed); }

}  // namespace mbrl
