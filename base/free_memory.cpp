#include "base/free_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "base/control_groups.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

// the number in a file; nothing if it holds none ("max") or one that stands for no limit
std::optional<double> number_in(const fs::path& file) {
  constexpr double kNoLimit = 1e18;
  double value = 0.0;
  if (!(std::ifstream(file) >> value) || value < 0.0 || value > kNoLimit) return std::nullopt;
  return value;
}

// a line "name value" of memory.stat
double statistic(const fs::path& group, const std::string& name) {
  std::ifstream file(group / "memory.stat");
  std::string found;
  for (double value = 0.0; file >> found >> value;)
    if (found == name) return value;
  return 0.0;
}

// what a group has left, counting pages of files that nothing has used lately as free
std::optional<double> left(const fs::path& group, const char* limit, const char* usage,
                           const char* files) {
  const std::optional<double> most = number_in(group / limit), used = number_in(group / usage);
  if (!most || !used) return std::nullopt;
  return std::max(0.0, *most - *used + std::min(*used, statistic(group, files)));
}

}  // namespace

std::size_t memory_line(const std::string& name, const fs::path& root) {
  std::ifstream file(root / "proc/meminfo");
  std::string key, unit;
  for (std::size_t kib = 0; file >> key >> kib; std::getline(file, unit))
    if (key == name + ":") return kib * 1024;
  return 0;
}

std::size_t free_memory(const fs::path& root) {
  const std::size_t available = memory_line("MemAvailable", root);
  std::size_t free = available > 0 ? available + memory_line("SwapFree", root)
                                   : std::numeric_limits<std::size_t>::max();
  const std::optional<double> group = least_of_control_groups(
      root, "memory",
      [](const fs::path& g) { return left(g, "memory.max", "memory.current", "inactive_file"); },
      [](const fs::path& g) {
        return left(g, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
      });
  if (group && *group < static_cast<double>(free)) free = static_cast<std::size_t>(*group);
  return free;
}

}  // namespace mbrl
