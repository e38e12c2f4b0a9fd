#include "base/cpu_quota.h"

#include <fstream>

#include "base/control_groups.h"

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

}  // namespace

std::optional<double> cpu_quota(const fs::path& root) {
  return least_of_control_groups(root, "cpu", quota_v2, quota_v1);
}

}  // namespace mbrl
