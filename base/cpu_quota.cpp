#include "base/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace mbrl {
namespace fs = std::filesystem;
namespace {

// the number in a file of one; 0 where there is none
double number_in(const fs::path& file) {
  double value = 0.0;
  std::ifstream(file) >> value;
  return value;
}

// "150000 100000" or "max 100000": time in a period, both in microseconds
std::optional<double> quota_v2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0.0, period = 0.0;
  if (!(file >> quota >> period) || quota <= 0.0 || period <= 0.0) return std::nullopt;
  return quota / period;
}

// -1 where there is no limit
std::optional<double> quota_v1(const fs::path& group) {
  const double quota = number_in(group / "cpu.cfs_quota_us");
  const double period = number_in(group / "cpu.cfs_period_us");
  if (quota <= 0.0 || period <= 0.0) return std::nullopt;
  return quota / period;
}

bool names_cpu(const std::string& controllers) {
  std::stringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');)
    if (name == "cpu") return true;
  return false;
}

// the least quota from the group up to its mount. A container may see its own group as the mount
// and still be told the path from outside: what does not exist there is passed over
template <typename Quota>
std::optional<double> least_quota(const fs::path& mount, const fs::path& group, Quota quota_of) {
  std::optional<double> least;
  fs::path inside = group.relative_path();
  for (;;) {
    const std::optional<double> quota = quota_of(mount / inside);
    if (quota) least = std::min(*quota, least.value_or(*quota));
    if (inside.empty()) return least;
    inside = inside.parent_path();
  }
}

}  // namespace

std::optional<double> cpu_quota(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  std::optional<double> least;
  const auto take = [&](const std::optional<double>& quota) {
    if (quota) least = std::min(*quota, least.value_or(*quota));
  };
  // lines "number:controllers:path"; version 2 names no controllers
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path path = line.substr(second + 1);
    if (controllers.empty()) {
      take(least_quota(mounts, path, quota_v2));
      take(least_quota(mounts / "unified", path, quota_v2));
    } else if (names_cpu(controllers)) {
      // the folder has the controllers' names, or there is a link of one of them
      take(least_quota(mounts / controllers, path, quota_v1));
      take(least_quota(mounts / "cpu", path, quota_v1));
    }
  }
  return least;
}

}  // namespace mbrl
