#include "host/io/status_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace mbrl {

bool can_rewrite_lines(bool is_terminal, const char* term) {
  return is_terminal && term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
}

namespace {

bool on_capable_terminal() {
  return can_rewrite_lines(isatty(STDERR_FILENO) != 0, std::getenv("TERM"));
}

}  // namespace

StatusLine::StatusLine(double terminal_interval_s, double plain_interval_s)
    : StatusLine(STDERR_FILENO, on_capable_terminal(),
                 on_capable_terminal() ? terminal_interval_s : plain_interval_s) {}

bool StatusLine::is_due() const {
  return std::chrono::duration<double>(Clock::now() - shown_).count() >= interval_;
}

void StatusLine::show(std::string text) {
  shown_ = Clock::now();
  if (!terminal_) return write(text + "\n");
  if (text.size() > width()) text.resize(width());
  write("\r" + text + "\033[K");
  visible_ = true;
}

std::size_t StatusLine::width() const {
  winsize size{};
  if (!terminal_ || ioctl(fd_, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return std::string::npos;
  return size.ws_col - 1u;
}

void StatusLine::clear() {
  if (visible_) write("\r\033[K");
  visible_ = false;
}

void StatusLine::keep() {
  if (visible_) write("\n");
  visible_ = false;
}

void StatusLine::write(const std::string& text) {
  [[maybe_unused]] const ssize_t written = ::write(fd_, text.data(), text.size());
}

}  // namespace mbrl
