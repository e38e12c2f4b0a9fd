// What a training tells its terminal, and does not depend on.
#pragma once

#include <cstdio>
#include <string_view>

namespace mbrl {

/// Prints to standard output or standard error. A terminal that was closed, a reader that went away
/// and a full disk behind it end nothing: what counts is in the run's folder.
inline void print_to(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

}  // namespace mbrl
