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

std::vector<std::string> split_by_a_shell(const std::string& command) {
  std::FILE* pipe = popen(("printf '<%s>' " + command).c_str(), "r");
  std::vector<std::string> words;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) {
    if (c == '<') words.emplace_back();
    if (c != '<' && c != '>') words.back() += static_cast<char>(c);
  }
  pclose(pipe);
  return words;
}

TEST(ShellWordTest, CommandsAreSplitAsByAShell) {
  for (const std::string command :
       {"python3 -m mbrl_gpu.serve Pendulum-v1", "  a\tb   c ", "a 'b c' \"d e\"", "a''b \"\" ''",
        "it\\'s a\\ b", "'a\"b' \"c'd\"", "\"a\\\"b\\\\c\\d\"", "x='y z'", "'$HOME' '|'", "a\\\nb",
        "\"a\\\nb\"", "'a\\b'", "a=b,c:d", "\"\\$x\"", "\xc3\xa9 'd\xc3\xa9 e'"}) {
    std::string wrong;
    EXPECT_EQ(shell_split(command, wrong), split_by_a_shell(command)) << command;
    EXPECT_EQ(wrong, "") << command;
  }
  for (const std::string text : {"a b", "it's", "$HOME", "a\"b", "`ls`", "\\", ""}) {
    std::string wrong;
    EXPECT_EQ(shell_split(shell_word(text), wrong), std::vector<std::string>{text});
  }
}

TEST(ShellWordTest, WhatOnlyAShellWouldDoIsWrong) {
  for (const auto& [command, expected] :
       {std::pair("a 'b", "a ' has no end"), std::pair("a \"b", "a \" has no end"),
        std::pair("a \\", "nothing comes after its last \\"),
        std::pair("a | b", "an unquoted | asks a shell to do something, and none reads this"),
        std::pair("a $x", "an unquoted $ asks a shell to do something, and none reads this"),
        std::pair("\"a$b\"",
                  "a $ in double quotes asks a shell to do something, and none reads this; single "
                  "quotes keep it"),
        std::pair("a `b`", "an unquoted ` asks a shell to do something, and none reads this"),
        std::pair("a \"`b`\"",
                  "a ` in double quotes asks a shell to do something, and none reads this; single "
                  "quotes keep it")}) {
    std::string wrong;
    EXPECT_TRUE(shell_split(command, wrong).empty());
    EXPECT_EQ(wrong, expected);
  }
}

}  // namespace
}  // namespace mbrl
