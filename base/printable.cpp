#include "base/printable.h"

namespace mbrl {
namespace {

// controls, and what XML does not know
bool may_be_shown(char32_t point) {
  return point >= 0x20 && point != 0x7f && (point < 0x80 || point >= 0xa0) && point != 0xfffe &&
         point != 0xffff;
}

}  // namespace

Utf8Character first_character(std::string_view text) {
  constexpr Utf8Character kNone{0, 0};
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return kNone;
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t count = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  if (count == 0 || first > 0xf4 || text.size() < count) return kNone;
  char32_t point = first & (0xffu >> (count + 1));
  for (std::size_t i = 1; i < count; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return kNone;
    point = point << 6 | (byte(i) & 0x3fu);
  }
  // the shortest form alone; d800 to dfff are halves of a pair in UTF-16
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_character =
      point >= kSmallest[count] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
  return is_character ? Utf8Character{point, count} : kNone;
}

std::string printable(std::string_view text, bool keep_lines) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const auto [point, count] = first_character(text);
    if (count > 0 && (may_be_shown(point) || (keep_lines && (point == '\n' || point == '\t')))) {
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
