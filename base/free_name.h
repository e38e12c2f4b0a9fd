// Names that a program adds to those that are known.
#pragma once

#include <string>
#include <vector>

namespace mbrl {

/// Whether `name` may be added: a word of small letters, digits and _ that begins with a letter and
/// is none of `known`. It becomes part of folders' names and of the command line.
///
/// Errors   ConfigError, "<caller>: <what> ... ".
void require_free_name(const std::string& caller, const std::string& what, const std::string& name,
                       const std::vector<std::string>& known);

}  // namespace mbrl
