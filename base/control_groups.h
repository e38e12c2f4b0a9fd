// The control groups that a container or batch job has put this process into.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace mbrl {

/// The least limit of this process's own group and all above it, of version 1 (`of_v1`, in the
/// hierarchy of `controller`: "cpu", "memory") and version 2 (`of_v2`) alike. Both take a group's
/// folder and return what it allows, nothing where it has no limit.
///
/// `root` holds proc/ and sys/; a test gives a folder of its own.
template <typename LimitV2, typename LimitV1>
std::optional<double> least_of_control_groups(const std::filesystem::path& root,
                                              const std::string& controller, LimitV2 of_v2,
                                              LimitV1 of_v1) {
  namespace fs = std::filesystem;
  std::optional<double> least;
  // from the group up to its mount. A container may see its own group as the mount and still be told
  // the path from outside: what does not exist there is passed over
  const auto take = [&](const fs::path& mount, const fs::path& group, auto limit_of) {
    for (fs::path inside = group.relative_path();; inside = inside.parent_path()) {
      const std::optional<double> limit = limit_of(mount / inside);
      if (limit) least = std::min(*limit, least.value_or(*limit));
      if (inside.empty()) return;
    }
  };
  const auto names_controller = [&](const std::string& controllers) {
    std::stringstream list(controllers);
    for (std::string name; std::getline(list, name, ',');)
      if (name == controller) return true;
    return false;
  };

  const fs::path mounts = root / "sys/fs/cgroup";
  // lines "number:controllers:path"; version 2 names no controllers
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path path = line.substr(second + 1);
    if (controllers.empty()) {
      take(mounts, path, of_v2);
      take(mounts / "unified", path, of_v2);
    } else if (names_controller(controllers)) {
      // the folder has the controllers' names, or there is a link of one of them
      take(mounts / controllers, path, of_v1);
      take(mounts / controller, path, of_v1);
    }
  }
  return least;
}

}  // namespace mbrl
