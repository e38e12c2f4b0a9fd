// Folders of runs as people keep them: with symbolic links, siblings that cannot be read, runs that
// come and go.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mbrl {

/// Where runs lie unless --runs names another folder.
inline const std::filesystem::path kRunsFolder = "runs";

/// After a run's name: the files that another rank has trained, until all of them have come.
inline constexpr const char* kArriving = ".arriving";

/// What a user means by a path of a run or of several: what is there, else what lies below runs/
/// ("latest", "hopper/3f9a2c1d"), else the path as it is, which whoever opens it refuses.
std::filesystem::path run_path(const std::filesystem::path& given);

/// A folder and all below it, each once however many links lead to it, by a name without links where
/// it has one, in the order of their paths (base/natural_order.h); nothing if there is none. Links to
/// folders are followed. Runs that were set aside for a new one
/// (seed-<n>.old-<k>) or are on their way from another rank are left out. `warn` is told which folder cannot be read and why; standard
/// error if there is none. What lies in a folder for which `ends_at` is true is left out.
std::vector<std::filesystem::path> folders_below(
    const std::filesystem::path& folder, const std::function<void(const std::string&)>& warn = {},
    const std::function<bool(const std::filesystem::path&)>& ends_at = {});

/// The names in a folder, sorted; nothing where it cannot be read, `warn` is told why.
std::vector<std::filesystem::path> entries_of(
    const std::filesystem::path& folder, const std::function<void(const std::string&)>& warn = {});

/// Whether a folder's name is the hash of a config, as in runs/<name>/<hash>/seed-<n>.
bool is_config_hash(std::string_view name);

}  // namespace mbrl
