// Tests for base/shell_word.h: a shell reads back what went in.
#include "base/shell_word.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace mbrl {
namespace {

std::string read_by_a_shell(const std::string& word) {
  std::FILE* pipe = popen(("printf %s " + word).c_str(), "r");
  std::string text;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  pclose(pipe);
  return text;
}

TEST(ShellWordTest, AShellReadsBackWhatWentIn) {
  for (const std::string text : {"runs/hopper/ab12/seed-0", "a b", "it's", "$HOME", "a\"b", "*",
                                 "~/x", "key=value", "`ls`", "a;b", "a&b", "\\", "a\nb", "#x", "!"})
    EXPECT_EQ(read_by_a_shell(shell_word(text)), text);
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("runs/a=b,c"), "runs/a=b,c");
}

}  // namespace
}  // namespace mbrl
