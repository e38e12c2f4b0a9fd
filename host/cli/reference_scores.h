// What a return is worth: for each environment that of a random policy and one that was published.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mbrl {

/// Two returns of one task, where normalized scores are 0 and 1.
struct ReferenceScores {
  std::string task;
  double zero = 0.0, one = 0.0;
  std::string zero_source = {}, one_source = {};

  double normalized(double value) const { return (value - zero) / (one - zero); }
};

/// The program's own table, sorted by name.
const std::vector<ReferenceScores>& published_scores();

/// A table of the user's: a line "task,zero,one" for each task, after lines that start with # and,
/// if there is one, a heading.
///
/// Errors   ReadError; DataError naming file and line if one is not that.
std::vector<ReferenceScores> read_scores(const std::filesystem::path& file);

/// The entry of a task; nothing if there is none.
std::optional<ReferenceScores> find_scores(const std::vector<ReferenceScores>& all,
                                           const std::string& task);

}  // namespace mbrl
