#include "host/run/run_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "cuda/device.h"
#include "host/algo/keys_read.h"
#include "host/config/print.h"
#include "host/config/version.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

std::string machine_text(const std::string& device) {
  utsname system{};
  uname(&system);
  struct sysinfo memory {};
  sysinfo(&memory);
  const nlohmann::ordered_json machine{
      {"host", system.nodename},
      {"system", fmt::format("{} {}", system.sysname, system.release)},
      {"cpu", cpu_description()},
      {"memory", bytes_text(static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit)},
      {"device", device},
      {"program", program_version()},
      {"commit", git_commit()},
      {"compiler", compiler()}};
  return machine.dump(2) + "\n";
}

}  // namespace

std::string command_text(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789_-+=./:,@%") == std::string::npos;
    std::string quoted = word;
    if (!plain) {
      quoted = "'";
      for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string{c};
      quoted += "'";
    }
    text += (text.empty() ? "" : " ") + quoted;
  }
  return text;
}

fs::path RunDir::folder_of(const fs::path& runs_root, const Config& config) {
  return runs_root / config.name / config_hash(config) / fmt::format("seed-{}", config.seed);
}

RunDir RunDir::open(const fs::path& runs_root, const Config& config,
                    const std::vector<std::string>& command, const std::string& device) {
  return open_folder(folder_of(runs_root, config), config, command, device);
}

RunDir RunDir::open_folder(const fs::path& folder, const Config& config,
                           const std::vector<std::string>& command, const std::string& device) {
  RunDir dir(folder);
  std::error_code error;
  fs::create_directories(dir.path_, error);
  if (error)
    throw DataError(
        fmt::format("run directory {} cannot be made: {}. Choose another place with --runs DIR.",
                    dir.path_.string(), error.message()));
  dir.lock();
  write_file_atomically(dir.path_ / "config.json", config_json_text(config, keys_read(config)));
  write_file_atomically(dir.path_ / "command.txt", command_text(command) + "\n");
  write_file_atomically(dir.path_ / "machine.json", machine_text(device));
  return dir;
}

// two processes in one folder would write over each other
void RunDir::lock() {
  const fs::path file = path_ / "lock";
  lock_fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_fd_ < 0)
    throw DataError(
        fmt::format("run directory {} cannot be written: {}. Choose another place with --runs DIR.",
                    path_.string(), std::strerror(errno)));
  // any other error: a file system without locks, where the run goes on unguarded
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    char text[32] = "";
    [[maybe_unused]] const ssize_t count = ::read(lock_fd_, text, sizeof(text) - 1);
    // empty for the moment between its lock and its number
    const std::string owner = text[0] == '\0' ? "that has just started" : text;
    ::close(std::exchange(lock_fd_, -1));
    throw DataError(
        fmt::format("run directory {} is in use by process {}. Wait for it, stop it, or choose "
                    "another seed or --runs DIR.",
                    path_.string(), owner));
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(lock_fd_, 0) == 0) [[maybe_unused]]
    const ssize_t count = ::write(lock_fd_, pid.data(), pid.size());
}

RunDir::RunDir(RunDir&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(std::exchange(other.lock_fd_, -1)) {}

RunDir::~RunDir() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

}  // namespace mbrl
