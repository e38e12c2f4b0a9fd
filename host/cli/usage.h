// Command lines with a word that the program does not know.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace mbrl {

/// Looks at the first word that is not a subcommand where one belongs.
///
/// Errors   ConfigError with the nearest subcommand and the list.
void check_subcommand(const CLI::App& program, int argc, char** argv);

/// CLI11's own finding with the nearest option and the way to the help.
std::string usage_text(const CLI::App& program, const CLI::ParseError& error, int argc,
                       char** argv);

}  // namespace mbrl
