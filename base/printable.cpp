#include "base/printable.h"

#include <cstddef>
#include <cstdint>

namespace mbrl {
namespace {

// bytes of the UTF-8 character that `text` starts with, 0 if it is none that may be shown
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first < 0x20 || first == 0x7f ? 0 : 1;
  const std::size_t count = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  if (count == 0 || first > 0xf4 || text.size() < count) return 0;
  std::uint32_t point = first & (0xffu >> (count + 1));
  for (std::size_t i = 1; i < count; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3fu);
  }
  // the shortest form alone; 0x80 to 0x9f are controls, d800 to dfff halves of a pair in UTF-16
  constexpr std::uint32_t kSmallest[] = {0, 0, 0xa0, 0x800, 0x10000};
  const bool known = point >= kSmallest[count] && point <= 0x10ffff &&
                     (point < 0xd800 || point > 0xdfff) && point != 0xfffe && point != 0xffff;
  return known ? count : 0;
}

}  // namespace

std::string printable(std::string_view text, bool keep_lines) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    std::size_t count = character_bytes(text);
    if (count == 0 && keep_lines && (text[0] == '\n' || text[0] == '\t')) count = 1;
    if (count > 0) {
      shown += text.substr(0, count);
      text.remove_prefix(count);
      continue;
    }
    const auto byte = static_cast<unsigned char>(text[0]);
    shown += "\\x";
    shown += kDigits[byte >> 4];
    shown += kDigits[byte & 15];
    text.remove_prefix(1);
  }
  return shown;
}

}  // namespace mbrl
