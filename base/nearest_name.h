// "Did you mean ...": the known name nearest to a misspelt one.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mbrl {

/// Edits that turn one word into the other: insert, delete or replace a letter, swap two
/// neighbours. Upper and lower case count as the same.
inline int edit_distance(std::string_view from, std::string_view to) {
  const auto same = [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  };

  // row i holds the distances of from[0, i) to every to[0, j); a swap looks two rows back
  std::vector<int> before(to.size() + 1), row(to.size() + 1), next(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= from.size(); ++i) {
    next[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const int replace = row[j - 1] + (same(from[i - 1], to[j - 1]) ? 0 : 1);
      next[j] = std::min({replace, row[j] + 1, next[j - 1] + 1});
      if (i > 1 && j > 1 && same(from[i - 1], to[j - 2]) && same(from[i - 2], to[j - 1])) {
        next[j] = std::min(next[j], before[j - 2] + 1);
      }
    }
    before.swap(row);
    row.swap(next);
  }
  return row[to.size()];
}

/// No name is longer, neither of a key nor of a file.
inline constexpr std::size_t kLongestName = 255;

/// The name of `known` with the fewest edits to `name`, the first of equals; "" if even that one
/// differs in more than a third of its letters (one edit is always near enough, except for
/// one-letter names). Lengths that differ by more are not compared, so that a name of a megabyte takes
/// no longer than any other.
inline std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  std::string nearest;
  int fewest = 0;
  for (const std::string& candidate : known) {
    const std::size_t longer = std::max(name.size(), candidate.size());
    const std::size_t most = std::max<std::size_t>(1, longer / 3);
    if (longer - std::min(name.size(), candidate.size()) > most || longer > kLongestName) continue;
    const int edits = edit_distance(name, candidate);
    const int length = static_cast<int>(longer);
    const bool near = edits <= static_cast<int>(most) && edits < length;
    if (near && (nearest.empty() || edits < fewest)) {
      nearest = candidate;
      fewest = edits;
    }
  }
  return nearest;
}

}  // namespace mbrl
