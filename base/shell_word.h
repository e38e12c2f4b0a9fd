// Words of commands: shown to be typed again, and read as they are typed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mbrl {

/// The text as one word of a POSIX shell, in quotes where it needs them.
inline std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos)
    return std::string(text);
  std::string word = "'";
  for (const char c : text)
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  return word + "'";
}

/// The words of a command as a POSIX shell splits them: at blanks outside of quotes; a backslash
/// keeps the next character. Nothing is expanded. `wrong`, "" if all is well, says what no words can
/// be made of: a quote without its end, or an unquoted character that asks a shell for more, such as
/// | or $.
inline std::vector<std::string> shell_split(std::string_view text, std::string& wrong) {
  std::vector<std::string> words;
  std::optional<std::string> word;
  const auto add = [&](char c) { word = word.value_or("") + c; };
  wrong.clear();
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_last = i + 1 == text.size();
    if (quote == '\'') {
      if (c == quote) {
        quote = '\0';
      } else {
        add(c);
      }
    } else if (c == '$' || c == '`' ||
               (quote == '\0' && std::string_view("|&;<>()").find(c) != std::string_view::npos)) {
      wrong = quote == '\0' ? "an unquoted " : "a ";
      wrong += c;
      if (quote != '\0') wrong += " in double quotes";
      wrong += " asks a shell to do something, and none reads this";
      if (quote != '\0') wrong += "; single quotes keep it";
      return {};
    } else if (c == '\\' && is_last) {
      wrong = "nothing comes after its last \\";
      return {};
    } else if (c == '\\' && quote == '\0') {
      if (text[++i] != '\n') add(text[i]);
    } else if (c == '\\') {
      // between double quotes it keeps only what would mean something there
      const char next = text[i + 1];
      const bool keeps = std::string_view("$`\"\\\n").find(next) != std::string_view::npos;
      if (keeps) ++i;
      if (!keeps || next != '\n') add(keeps ? next : c);
    } else if (c == '"' || (c == '\'' && quote == '\0')) {
      quote = quote == c ? '\0' : c;
      word = word.value_or("");
    } else if (quote == '\0' && (c == ' ' || c == '\t' || c == '\n')) {
      if (word) words.push_back(*std::exchange(word, std::nullopt));
    } else {
      add(c);
    }
  }
  if (quote != '\0') {
    wrong = std::string("a ") + quote + " has no end";
    return {};
  }
  if (word) words.push_back(*word);
  return words;
}

}  // namespace mbrl
