// The share of the machine's processors that a container or batch job leaves to this process.
#pragma once

#include <filesystem>
#include <optional>

namespace mbrl {

/// Processors' worth of time that control groups allow this process in each period, 1.5 being one
/// and a half: the least of its own group and all above it, whether version 1
/// (cpu.cfs_quota_us) or version 2 (cpu.max). Nothing where there is no limit.
///
/// `root` holds proc/ and sys/; a test gives a folder of its own.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace mbrl
