// One line that says how things stand.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace mbrl {

/// Whether a line can be taken back: on a terminal that TERM does not call dumb or leave unnamed.
bool can_rewrite_lines(bool is_terminal, const char* term);

/// On a terminal one line, rewritten in place and cut to the width; elsewhere whole lines. A reader
/// that went away ends nothing.
class StatusLine {
 public:
  StatusLine(int file_descriptor, bool terminal, double interval_s)
      : fd_(file_descriptor), terminal_(terminal), interval_(interval_s) {}
  /// Standard error; `terminal_interval_s` holds if that is a terminal whose lines can be rewritten.
  StatusLine(double terminal_interval_s, double plain_interval_s);

  bool on_terminal() const { return terminal_; }
  /// Most characters of a line: one less than the terminal has columns; elsewhere no limit.
  std::size_t width() const;

  void show(std::string text);
  /// Shows what `text()` returns if the interval since the last line has passed. It is called only
  /// then, as making a text may cost something.
  template <typename Text>
  void show_when_due(const Text& text) {
    if (is_due()) show(text());
  }

  /// Removes the line from the terminal, so that something else can be printed.
  void clear();
  /// Leaves it there and goes on below.
  void keep();

 private:
  using Clock = std::chrono::steady_clock;
  bool is_due() const;
  void write(const std::string& text);

  int fd_;
  bool terminal_;
  double interval_;
  bool visible_ = false;  // on the terminal, at the cursor
  Clock::time_point shown_ = Clock::now();
};

}  // namespace mbrl
