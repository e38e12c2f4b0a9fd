// What may stand at the end of a command line that is being typed.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace mbrl {

/// A word that may stand there, and what it means. One that ends in = or / is to be typed on.
struct Candidate {
  std::string word, text;
};

/// The words that the last of `words` may become; `words` follow the program's name. None where
/// anything may stand, such as a file: the shell then offers files.
///
/// Cost     lists folders of runs where one is asked for.
std::vector<Candidate> candidates(const CLI::App& program, std::vector<std::string> words);

/// `mbrl_gpu __complete WORD...`, which the shells' scripts call: a candidate on each line, its
/// meaning behind a tab. Whatever goes wrong, there are no candidates.
void print_candidates(const CLI::App& program, const std::vector<std::string>& words);

/// The script for a shell: bash or zsh.
std::string completion_script(const std::string& shell);

}  // namespace mbrl
