#include "host/io/html.h"

#include <fmt/format.h>

#include "base/printable.h"

namespace mbrl {
namespace {

// drawings are made on white: in the dark their lightness is turned around, their hues stay
constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --line: #dcdcdc; --soft: #f3f4f6;
  --faint: #5c6067; --bar: #0072b2; --bad: #b00020; --good: #00704a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #171717; --line: #3b3b3b; --soft: #242424; --faint: #a4a9b0;
    --bar: #56b4e9; --bad: #ff8a8a; --good: #5fd3a5; }
  figure svg { filter: invert(.91) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .2rem 0 .6rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p { margin: .4rem 0; }
.faint, figcaption { color: var(--faint); font-size: .85rem; }
.bad { color: var(--bad); }
.good { color: var(--good); }
.figures { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; min-width: 0; max-width: 36rem; }
figure svg { display: block; width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .25rem .6rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: normal; }
th { background: var(--soft); font-weight: 600; white-space: nowrap; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code { font: .85rem ui-monospace, monospace; }
pre { background: var(--soft); padding: .5rem; overflow-x: auto; font: .85rem ui-monospace, monospace; }
.word { white-space: nowrap; }
summary { cursor: pointer; padding: .25rem 0; }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .2rem .6rem;
  align-items: center; font-size: .9rem; max-width: 40rem; }
.bar { height: .8rem; background: var(--bar); min-width: 1px; }
)";

// the text of the svg element alone: what an XML file begins with does not belong into a page
std::string_view element(std::string_view svg) {
  const std::size_t begin = svg.find("<svg");
  return begin == std::string_view::npos ? svg : svg.substr(begin);
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string safe;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string html_table(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<div class=\"scroll\"><table>\n<tr>";
  for (const std::string& cell : header) html += "<th>" + cell + "</th>";
  html += "</tr>\n";
  for (const std::vector<std::string>& row : rows) {
    html += "<tr>";
    for (const std::string& cell : row) {
      const bool is_number =
          !cell.empty() && cell.find_first_not_of("0123456789.-+e") == std::string::npos;
      html += fmt::format("<td{}>{}</td>", is_number ? " class=\"number\"" : "", cell);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string html_figure(std::string_view svg, const std::string& caption) {
  std::string drawing(element(svg));
  // HTML knows the namespace by itself
  constexpr std::string_view kNamespace = " xmlns=\"http://www.w3.org/2000/svg\"";
  for (std::size_t at = 0; (at = drawing.find(kNamespace, at)) != std::string::npos;)
    drawing.erase(at, kNamespace.size());
  return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", drawing, caption);
}

std::string html_page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n{2}</body>\n</html>\n",
      html_text(title), kStyle, body);
}

}  // namespace mbrl
