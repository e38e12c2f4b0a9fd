// Words of commands that are shown to be typed again.
#pragma once

#include <string>
#include <string_view>

namespace mbrl {

/// The text as one word of a POSIX shell, in quotes where it needs them.
inline std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos)
    return std::string(text);
  std::string word = "'";
  for (const char c : text)
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  return word + "'";
}

}  // namespace mbrl
