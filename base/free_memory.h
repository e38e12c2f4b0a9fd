// How much memory this process may still take.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace mbrl {

/// Bytes of host memory that can be had without ending a process: what the kernel would give out
/// and swap, or less where a control group (version 1 or 2) of this process allows less. Files that
/// it would drop for it count as free. The largest number where nothing is known.
///
/// `root` holds proc/ and sys/; a test gives a folder of its own.
std::size_t free_memory(const std::filesystem::path& root = "/");

/// A line of /proc/meminfo, such as "MemTotal", in bytes; 0 where there is none.
std::size_t memory_line(const std::string& name, const std::filesystem::path& root = "/");

}  // namespace mbrl
