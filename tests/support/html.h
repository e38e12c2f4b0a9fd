// What is wrong with a page: tags that are not closed, bare signs, and all that would be loaded from
// elsewhere.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace mbrl {

/// Problems of a page in its order; none where every tag is closed in turn, every attribute is quoted,
/// every & begins an entity, and nothing is loaded or run.
inline std::vector<std::string> html_problems(std::string_view page) {
  static const std::set<std::string> kVoid{"meta", "br", "hr", "img", "link", "input"};
  std::vector<std::string> problems, open;
  const auto problem = [&](const std::string& what, std::size_t at) {
    problems.push_back(what + " at " + std::to_string(at) + ": " +
                       std::string(page.substr(at, 60)));
  };
  const auto check_text = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (page[i] == '>') problem("a bare >", i);
      if (page[i] != '&') continue;
      const std::size_t semicolon = page.find(';', i);
      if (semicolon == std::string_view::npos || semicolon > i + 8) problem("a bare &", i);
    }
  };
  for (const char* word : {"http://", "https://", "//", "src=", "<script", "@import", "url(http"}) {
    const std::size_t at = page.find(word);
    if (at != std::string_view::npos) problem(std::string("holds ") + word, at);
  }
  std::size_t at = 0;
  constexpr std::string_view kDoctype = "<!DOCTYPE html>";
  if (page.starts_with(kDoctype))
    at = kDoctype.size();
  else
    problem("no doctype", 0);
  while (at < page.size()) {
    const std::size_t begin = page.find('<', at);
    const bool in_style = !open.empty() && open.back() == "style";
    if (!in_style) check_text(at, std::min(begin, page.size()));
    if (begin == std::string_view::npos) break;
    // the end of the tag, outside of quotes
    std::size_t end = begin + 1;
    for (char quote = 0; end < page.size() && (quote != 0 || page[end] != '>'); ++end) {
      if (quote == 0 && (page[end] == '"' || page[end] == '\'')) {
        quote = page[end];
      } else if (page[end] == quote) {
        quote = 0;
      } else if (page[end] == '<') {
        problem("a bare <", end);
      }
    }
    if (end >= page.size()) {
      problem("a tag without an end", begin);
      break;
    }
    const std::string_view tag = page.substr(begin + 1, end - begin - 1);
    const std::string name(
        tag.substr(tag.starts_with('/') ? 1 : 0)
            .substr(0, tag.find_first_of(" /\n", 1) - (tag.starts_with('/') ? 1 : 0)));
    for (std::size_t i = tag.find('='); i != std::string_view::npos; i = tag.find('=', i + 1)) {
      // of an attribute, not inside of its value
      const auto quotes = std::count(tag.begin(), tag.begin() + static_cast<long>(i), '"');
      if (quotes % 2 == 0 && (i + 1 >= tag.size() || tag[i + 1] != '"'))
        problem("an attribute without quotes", begin);
    }
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != name)
        problem("closes " + name + " inside of " + (open.empty() ? "nothing" : open.back()), begin);
      else
        open.pop_back();
    } else if (!tag.ends_with('/') && kVoid.count(name) == 0) {
      open.push_back(name);
    }
    at = end + 1;
  }
  for (const std::string& name : open) problems.push_back("never closed: " + name);
  return problems;
}

}  // namespace mbrl
