// Tests for host/io/html.{h,cpp}, and for the check of pages that they use.
#include "host/io/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/io/svg_plot.h"
#include "tests/support/html.h"

namespace mbrl {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(HtmlTest, TextIsTextWhateverItHolds) {
  EXPECT_EQ(html_text("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(html_text("\x1b[31mcaf\xc3\xa9\xff"), "\\x1b[31mcaf\xc3\xa9\\xff");
}

TEST(HtmlTest, APageIsWellFormedAndLoadsNothing) {
  const std::string drawing = svg_plot({.title = "a < b & c",
                                        .x_label = "x",
                                        .y_label = "y",
                                        .series = {{.name = "\"q\"", .x = {1, 2}, .y = {3, 4}}}});
  const std::string page = html_page(
      "</title><script>", html_table({"a", "b"}, {{"1.5", "text"}}) + html_figure(drawing, "c"));
  EXPECT_THAT(html_problems(page), IsEmpty());
  EXPECT_THAT(page, HasSubstr("<title>&lt;/title&gt;&lt;script&gt;</title>"));
  EXPECT_THAT(page, HasSubstr("<td class=\"number\">1.5</td><td>text</td>"));
  EXPECT_THAT(page, HasSubstr("width=device-width"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, testing::Not(HasSubstr("xmlns")));
}

TEST(HtmlTest, WhatIsWrongWithAPageIsFound) {
  const auto problems = [](const std::string& body) {
    return html_problems("<!DOCTYPE html>" + body);
  };
  EXPECT_THAT(problems("<p>a &lt; b</p><br>"), IsEmpty());
  EXPECT_THAT(problems("<p><b>a</p></b>"), testing::Not(IsEmpty()));
  EXPECT_THAT(problems("<p>a"), testing::ElementsAre("never closed: p"));
  EXPECT_THAT(problems("<p>a & b</p>"), testing::SizeIs(1));
  EXPECT_THAT(problems("<p>a > b</p>"), testing::SizeIs(1));
  EXPECT_THAT(problems("<p class=a>b</p>"), testing::SizeIs(1));
  EXPECT_THAT(problems("<p>https://a.b</p>"), testing::SizeIs(2));
  EXPECT_THAT(html_problems("<p>a</p>"), testing::SizeIs(1));
}

}  // namespace
}  // namespace mbrl
