// Tests for base/printable.{h,cpp}.
#include "base/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace mbrl {
namespace {

using std::string_literals::operator""s;

TEST(PrintableTest, TextStaysAsItIs) {
  EXPECT_EQ(printable("runs/hopper, 50 %"), "runs/hopper, 50 %");
  EXPECT_EQ(printable("gr\xc3\xb6\xc3\x9f"
                      "e \xe2\x82\xac \xf0\x9f\x98\x80"),
            "gr\xc3\xb6\xc3\x9f"
            "e \xe2\x82\xac \xf0\x9f\x98\x80");
}

TEST(PrintableTest, ControlCharactersAreNumbers) {
  EXPECT_EQ(printable("\x1b[31mred\x7f"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(printable("a\0b"s), "a\\x00b");
  EXPECT_EQ(printable("a\nb\tc"), "a\\x0ab\\x09c");
  EXPECT_EQ(printable("a\nb\tc\r", /*keep_lines=*/true), "a\nb\tc\\x0d");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m");  // the control sequence introducer
}

TEST(PrintableTest, BytesThatAreNoUtf8AreNumbers) {
  EXPECT_EQ(printable("n\xe9"), "n\\xe9");                           // Latin-1
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");                    // cut
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // longer than it has to be
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // half of a pair
  EXPECT_EQ(printable("\xef\xbf\xbf"), "\\xef\\xbf\\xbf");           // no character of XML
  EXPECT_EQ(printable("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");  // beyond the last
}

}  // namespace
}  // namespace mbrl
