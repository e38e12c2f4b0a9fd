#include "tests/fuzz/harness.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace mbrl::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "mbrl_fuzz-";

fs::path memory() {
  std::error_code absent;
  return fs::is_directory("/dev/shm", absent) ? fs::path("/dev/shm") : fs::temp_directory_path();
}

// folders of processes that are no more
void remove_left_overs() {
  std::error_code ignored;
  for (fs::directory_iterator entry(memory(), ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    const fs::path process = fs::path("/proc") / name.substr(kPrefix.size());
    if (!fs::exists(process, ignored)) fs::remove_all(entry->path(), ignored);
  }
}

}  // namespace

Folder::Folder() : path_(memory() / fmt::format("{}{}", kPrefix, getpid())) {
  remove_left_overs();
  fs::create_directories(path_);
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path Folder::write(const std::string& name, std::string_view text) const {
  const fs::path file = path_ / name;
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  require(fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
          "the input's files can be written");
  ::close(fd);
  return file;
}

void Folder::remove(const std::string& name) const { ::unlink((path_ / name).c_str()); }

std::vector<std::string_view> files_of(std::string_view input, std::size_t count) {
  std::vector<std::string_view> files(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = i + 1 < count ? input.find(kBetweenFiles) : input.npos;
    files[i] = input.substr(0, end);
    if (end == input.npos) break;
    input.remove_prefix(end + kBetweenFiles.size());
  }
  return files;
}

void require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

}  // namespace mbrl::fuzz
