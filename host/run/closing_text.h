// What a person reads when a run has ended.
#pragma once

#include <filesystem>
#include <string>

namespace mbrl {

/// The end of a run's story, from what its folder holds: what it has come to, its returns, where
/// the time went, and the commands that come next. Lines of at most 80 characters, but for paths.
///
/// Errors   DataError if summary.json is missing or damaged.
std::string closing_text(const std::filesystem::path& run);

}  // namespace mbrl
