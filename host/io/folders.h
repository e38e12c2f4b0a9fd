// Folders of runs as people keep them: with symbolic links, siblings that cannot be read, runs that
// come and go.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace mbrl {

/// A folder and all below it, each once however many links lead to it, in the order of their paths;
/// nothing if there is none. Links to folders are followed. Runs that were set aside for a new one
/// (seed-<n>.old-<k>) are left out. `warn` is told which folder cannot be read and why; standard
/// error if there is none.
std::vector<std::filesystem::path> folders_below(
    const std::filesystem::path& folder, const std::function<void(const std::string&)>& warn = {});

/// The names in a folder, sorted; nothing where it cannot be read, `warn` is told why.
std::vector<std::filesystem::path> entries_of(
    const std::filesystem::path& folder, const std::function<void(const std::string&)>& warn = {});

}  // namespace mbrl
