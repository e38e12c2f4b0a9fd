// HTML of pages that stand alone: one file, nothing loaded from elsewhere, readable on a phone and in
// the dark.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mbrl {

/// Text from anywhere as text of a page, or as the value of an attribute between quotes.
std::string html_text(std::string_view text);

/// A table that scrolls sideways where it is too wide. Cells are HTML.
std::string html_table(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows);

/// A figure of an SVG file's text, as wide as its place; the caption is HTML.
std::string html_figure(std::string_view svg, const std::string& caption);

/// The whole file. `title` is text, `body` HTML.
std::string html_page(const std::string& title, const std::string& body);

}  // namespace mbrl
