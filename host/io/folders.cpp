#include "host/io/folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <system_error>
#include <utility>

#include "base/natural_order.h"
#include "base/printable.h"
#include "host/io/console.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

void tell(const std::function<void(const std::string&)>& warn, const fs::path& folder,
          const std::error_code& error) {
  const std::string text =
      fmt::format("{} is left out: {}", printable(folder.string()), error.message());
  if (warn) return warn(text);
  print_to(stderr, fmt::format("warning: {}\n", text));
}

// seed-<n>.old-<k>, and what is on its way from another rank or was when a process was killed
bool is_set_aside(const fs::path& folder) {
  const std::string name = folder.filename().string();
  if (name.ends_with(kArriving)) return true;
  const std::size_t at = name.rfind(".old-");
  return at != std::string::npos && at + 5 < name.size() &&
         name.find_first_not_of("0123456789", at + 5) == std::string::npos;
}

}  // namespace

std::vector<fs::path> entries_of(const fs::path& folder,
                                 const std::function<void(const std::string&)>& warn) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    entries.push_back(entry->path());
  // a folder may go while its neighbors are read
  if (error && error != std::errc::no_such_file_or_directory) tell(warn, folder, error);
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::vector<fs::path> folders_below(const fs::path& folder,
                                    const std::function<void(const std::string&)>& warn,
                                    const std::function<bool(const fs::path&)>& ends_at) {
  std::vector<fs::path> found, waiting{folder}, links;
  std::set<fs::path> seen;
  std::error_code error;
  while (!waiting.empty() || !links.empty()) {
    // a folder is known by its own name; links come when all others are known
    if (waiting.empty()) waiting.swap(links);
    const fs::path next = std::move(waiting.back());
    waiting.pop_back();
    const fs::path real = fs::canonical(next, error);
    if (error || !fs::is_directory(next, error) || !seen.insert(real).second) continue;
    found.push_back(next);
    if (ends_at && ends_at(next)) continue;
    for (const fs::path& entry : entries_of(next, warn)) {
      if (!fs::is_directory(entry, error) || is_set_aside(entry)) continue;
      (fs::is_symlink(entry, error) ? links : waiting).push_back(entry);
    }
  }
  std::sort(found.begin(), found.end(), natural_less);
  return found;
}

fs::path run_path(const fs::path& given) {
  std::error_code unknown;
  if (fs::exists(given, unknown) || given.empty()) return given;
  const fs::path below = kRunsFolder / given;
  return fs::exists(below, unknown) ? below : given;
}

bool is_config_hash(std::string_view name) {
  return name.size() == 8 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace mbrl
