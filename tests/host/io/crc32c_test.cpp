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

}  // namespace
}  // namespace mbrl
