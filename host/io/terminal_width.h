// How wide what is printed may be.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace mbrl {

/// Columns of the terminal that standard output is, at least 40 and at most `most`; `most` where it
/// is none.
inline std::size_t output_width(std::size_t most = 80) {
  const int error = errno;  // of what was printed last, which somebody may look at
  winsize size{};
  const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  errno = error;
  return is_known ? std::clamp<std::size_t>(size.ws_col, 40, most) : most;
}

}  // namespace mbrl
