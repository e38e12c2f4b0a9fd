// Tests for host/io/crc32c.{h,cpp}.
#include "host/io/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace mbrl {
namespace {

TEST(Crc32cTest, MatchesRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
}

TEST(Crc32cTest, PiecesOfAnyLengthGiveThatOfTheWhole) {
  const std::string text = "the checksum of a file while it is written, piece by piece";
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), crc32c(text));
}

}  // namespace
}  // namespace mbrl
