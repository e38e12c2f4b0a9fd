// What the command line takes, told once: the options are those of the parser, the examples and the
// words of other programs are here. Help, manual page, completion and errors are made of it.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace mbrl {

/// An option or an argument of a subcommand.
struct OptionUsage {
  std::string names;                 // "-h, --help"; "config" of an argument
  std::string value;                 // "N", "X", "TEXT"; "" for a flag
  std::string text;                  // what it means
  std::string usual;                 // its default; "" if there is none to tell
  std::string range;                 // "0 to 1024"; "" if there is none
  std::vector<std::string> choices;  // empty: anything
  bool is_argument = false, is_required = false, is_list = false;
};

/// A command line that is run or parsed by a test, and what it is for.
struct Example {
  std::string command, text;
};

/// One subcommand, those below it behind it.
struct CommandUsage {
  std::string words;  // "mbrl_gpu config show"
  std::string text;
  std::vector<OptionUsage> arguments = {}, options = {};
  std::vector<CommandUsage> subcommands = {};
  std::vector<Example> examples = {};
};

/// All that a program or one of its subcommands takes, but for what is hidden.
CommandUsage usage_of(const CLI::App& app);

/// The words of `usage` from its first argument on: "config [overrides...]".
std::string synopsis(const CommandUsage& usage);

/// Text in lines of at most `width` characters that begin with `indent` blanks; a longer word has a
/// line of its own.
std::string wrapped(const std::string& text, std::size_t width, std::size_t indent);

/// The text of --help.
std::string help_text(const CommandUsage& usage, std::size_t width);

/// --help of the program and of all its subcommands is help_text. Called before any is added.
void use_help_text(CLI::App& program);

/// The first sentence of the comment that a config begins with, without what is in parentheses; "" if
/// it has none.
std::string config_title(const std::filesystem::path& file);

/// The shipped configs with the first sentences of their files: "hopper  MBPO on Hopper ...".
std::string configs_text(std::size_t width);

/// Looks at the first word that is not a subcommand where one belongs.
///
/// Errors   ConfigError with the whole line that was meant where the word is one of other programs
///          (train, enjoy, ls, resume) or a config; else the nearest subcommand and the list.
void check_subcommand(const CLI::App& program, int argc, char** argv);

/// CLI11's own finding with the nearest option and the way to the help.
std::string usage_text(const CLI::App& program, const CLI::ParseError& error, int argc,
                       char** argv);

}  // namespace mbrl
