// Text from outside, as it may be shown.
#pragma once

#include <string>
#include <string_view>

namespace mbrl {

/// The text with `\x1b` in place of each byte of a control character, of a code point that XML does
/// not know and of what is no UTF-8: safe in a terminal, in JSON and in XML (but for its markup).
/// Tabs and line ends stay if `keep_lines`.
std::string printable(std::string_view text, bool keep_lines = false);

}  // namespace mbrl
