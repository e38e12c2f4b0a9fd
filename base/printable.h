// Text from outside, as it may be shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mbrl {

/// The UTF-8 character that `text` starts with: its code point, and the number of its bytes, 0 if it
/// starts with none.
struct Utf8Character {
  char32_t point;
  std::size_t bytes;
};
Utf8Character first_character(std::string_view text);

/// The text with `\x1b` in place of each byte of a control character, of a code point that XML does
/// not know and of what is no UTF-8: safe in a terminal, in JSON and in XML (but for its markup).
/// Tabs and line ends stay if `keep_lines`.
std::string printable(std::string_view text, bool keep_lines = false);

}  // namespace mbrl
