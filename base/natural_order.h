// The order in which people count: seed-2 before seed-10.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace mbrl {

/// Below 0, 0 or above 0 as `a` comes before, with or after `b`: numbers in them by their values, all
/// else byte by byte. Numbers of one value ("2", "02") are told apart by nothing.
inline int natural_order(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  // takes the number that `text` begins with, without its leading zeros
  const auto take_number = [&](std::string_view& text) {
    std::size_t begin = 0;
    while (begin < text.size() && text[begin] == '0') ++begin;
    std::size_t end = begin;
    while (end < text.size() && is_digit(text[end])) ++end;
    const std::string_view number = text.substr(begin, end - begin);
    text.remove_prefix(end);
    return number;
  };
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view x = take_number(a), y = take_number(b);
      if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
      if (const int order = x.compare(y); order != 0) return order;
      continue;
    }
    if (a.front() != b.front())
      return static_cast<unsigned char>(a.front()) < static_cast<unsigned char>(b.front()) ? -1 : 1;
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return static_cast<int>(b.empty()) - static_cast<int>(a.empty());
}

/// For std::sort: paths part by part, those above before what lies in them.
inline bool natural_less(const std::filesystem::path& a, const std::filesystem::path& b) {
  auto x = a.begin(), y = b.begin();
  for (; x != a.end() && y != b.end(); ++x, ++y)
    if (const int order = natural_order(x->native(), y->native()); order != 0) return order < 0;
  if ((x == a.end()) != (y == b.end())) return x == a.end();
  return a.native() < b.native();  // seed-2 and seed-02
}

}  // namespace mbrl
