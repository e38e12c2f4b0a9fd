// How wide what is printed may be.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

namespace mbrl {

/// Columns of the terminal that standard output is, at least 40 and at most `most`; `most` where it
/// is none.
inline std::size_t output_width(std::size_t most = 80) {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 ||
      size.ws_col == 0)
    return most;
  return std::clamp<std::size_t>(size.ws_col, 40, most);
}

}  // namespace mbrl
