#include "host/run/run_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "cuda/device.h"
#include "envs/bullet/bullet_env.h"
#include "envs/mujoco/mujoco_version.h"
#include "host/algo/keys_read.h"
#include "host/config/former_names.h"
#include "host/config/print.h"
#include "host/config/version.h"
#include "host/io/folders.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"
#include "kernels/cpu/simd.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

// The MuJoCos of those who wrote `file` before, oldest first: checkpoints of earlier versions do
// not name theirs.
std::vector<std::string> former_mujocos(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  std::vector<std::string> names;
  try {
    const nlohmann::json machine = read_json(file);
    names = machine.value("mujoco_before", names);
    const std::string last = machine.value("mujoco", "");
    if (!last.empty() && (names.empty() || names.back() != last)) names.push_back(last);
  } catch (const std::exception&) {
    return {};  // what cannot be read is written anew
  }
  if (names.size() == 1 && names[0] == mujoco_name()) names.clear();
  return names;
}

// `former`: of the file that this text is to replace
std::string machine_text(const std::string& device, const std::vector<std::string>& former) {
  utsname system{};
  uname(&system);
  struct sysinfo memory {};
  sysinfo(&memory);
  nlohmann::ordered_json machine{
      {"host", system.nodename},
      {"system", fmt::format("{} {}", system.sysname, system.release)},
      {"cpu", cpu_description()},
      {"cpu_kernels", simd().name},               // AVX2 or AVX-512, or what MBRL_ISA asks for
      {"cpu_bf16_kernels", bf16_kernels().name},  // where device.precision is bf16
      {"memory", bytes_text(static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit)},
      {"device", device},
      {"program", program_version()},
      {"commit", git_commit()},
      {"compiler", compiler()},
      {"mujoco", mujoco_name()},
      {"bullet", bullet_version()}};
  if (!former.empty()) machine["mujoco_before"] = former;
  // names of hosts and processors may be any bytes
  return machine.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

// more than what a start leaves at once
bool holds_a_run(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().filename() != "lock") return true;
  // it may hold one, which would be overwritten
  if (error) throw ReadError(folder, error.value());
  return false;
}

// one that only asks (is_busy) holds it for a moment
bool try_lock(int fd) {
  for (int tries = 1;; ++tries) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK || tries == 5) return false;
    usleep(20'000);
  }
}

// the number in a lock file; it is empty for the moment between its lock and its number
std::string owner_text(int fd) {
  char text[32] = "";
  [[maybe_unused]] const ssize_t count = ::read(fd, text, sizeof(text) - 1);
  return text[0] == '\0' ? "that has just started" : text;
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
  const fs::path below = fs::path(config_hash(config)) / fmt::format("seed-{}", config.seed);
  fs::path folder = runs_root / config.name / below;
  const std::string former = former_name(config.name);
  std::error_code unknown;
  if (former.empty() || fs::exists(folder, unknown)) return folder;
  const fs::path earlier = runs_root / former / below;
  return fs::exists(earlier, unknown) ? earlier : folder;
}

void link_latest(const fs::path& runs_root, const fs::path& run) {
  const fs::path link = runs_root / kLatest, next = runs_root / fmt::format(".{}", kLatest);
  std::error_code error;
  const fs::file_status status = fs::symlink_status(link, error);
  // what somebody else put there stays
  if (fs::exists(status) && !fs::is_symlink(status)) return;
  // made under another name first: at any moment the link leads to a run. Another process may take
  // that name meanwhile, and one of the two runs is the newest
  fs::remove(next, error);
  fs::create_directory_symlink(run.lexically_relative(runs_root), next, error);
  if (!error) fs::rename(next, link, error);
  if (error) {
    fs::remove(next, error);
    return;
  }
  try {
    sync_folder(runs_root);
  } catch (const DataError&) {
    // after a power failure it may lead to an earlier run
  }
}

RunDir RunDir::open(const fs::path& runs_root, const Config& config,
                    const std::vector<std::string>& command, const std::string& device,
                    Earlier earlier) {
  return open_folder(folder_of(runs_root, config), config, command, device, earlier);
}

RunDir RunDir::open_folder(const fs::path& folder, const Config& config,
                           const std::vector<std::string>& command, const std::string& device,
                           Earlier earlier) {
  RunDir dir(folder);
  dir.take();
  if (earlier == Earlier::kIsSetAside && holds_a_run(folder)) {
    dir.move_aside();
    dir.take();
  }
  // of a process that was killed while a rank's files came in
  std::error_code ignored;
  fs::remove_all(folder.string() + kArriving, ignored);
  write_file_atomically(dir.path_ / "config.json", config_json_text(config, keys_read(config)));
  if (const std::vector<InputFile> files = input_files(config); !files.empty())
    write_file_atomically(dir.path_ / "files.json", to_json(files).dump(2) + "\n");
  write_file_atomically(dir.path_ / "command.txt", command_text(command) + "\n");
  const fs::path machine = dir.path_ / "machine.json";
  write_file_atomically(machine, machine_text(device, former_mujocos(machine)));
  return dir;
}

// makes the folder and locks it; again if another process moved it away between the two
void RunDir::take() {
  for (int tries = 0; tries < 10; ++tries) {
    if (const std::error_code error = make_folders(path_); error)
      throw DataError(
          fmt::format("run directory {} cannot be made: {}. Choose another place with {}.",
                      path_.string(), error.message(), folder_option()));
    if (lock()) return;
  }
  throw DataError(fmt::format(
      "run directory {} is moved or removed by another process each time it is made. Stop that "
      "process, or choose another place with {}.",
      path_.string(), folder_option()));
}

// two processes in one folder would write over each other. False if the folder has gone meanwhile
bool RunDir::lock() {
  const fs::path file = path_ / "lock";
  lock_fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_fd_ < 0 && errno == ENOENT) return false;
  if (lock_fd_ < 0)
    throw DataError(
        fmt::format("run directory {} cannot be written: {}. Choose another place with {}.",
                    path_.string(), std::strerror(errno), folder_option()));
  // any other error: a file system without locks, where the run goes on unguarded
  if (!try_lock(lock_fd_) && errno == EWOULDBLOCK) {
    const std::string owner = owner_text(lock_fd_);
    release();
    throw BusyError(
        fmt::format("run directory {} is in use by process {}. Wait for it, stop it, or choose "
                    "another seed or {}.",
                    path_.string(), owner, folder_option()));
  }
  if (!is_in_place()) {
    release();
    return false;
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(lock_fd_, 0) == 0) [[maybe_unused]]
    const ssize_t count = ::write(lock_fd_, pid.data(), pid.size());
  return true;
}

void RunDir::release() {
  if (lock_fd_ >= 0) ::close(std::exchange(lock_fd_, -1));
}

// while its lock is held, so that no process runs in it
void RunDir::move_aside() {
  for (int k = 1;; ++k) {
    const fs::path target = path_.string() + fmt::format(".old-{}", k);
    int error = 0;
    if (renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0)
      error = errno;
    if (error == EINVAL || error == ENOSYS) {
      // a file system that cannot promise it replaces nothing
      std::error_code unknown;
      error = EEXIST;
      if (!fs::exists(target, unknown))
        error = std::rename(path_.c_str(), target.c_str()) == 0 ? 0 : errno;
    }
    if (error == EEXIST || error == ENOTEMPTY) continue;
    if (error != 0)
      throw DataError(fmt::format(
          "the earlier run in {} cannot be set aside as {}: {}. Move it away, or choose another "
          "place with {}.",
          path_.string(), target.string(), std::strerror(error), folder_option()));
    set_aside_ = target;
    break;
  }
  sync_folder(path_.parent_path());
  release();
}

bool RunDir::is_in_place() const {
  struct stat held {
  }, there{};
  return lock_fd_ >= 0 && fstat(lock_fd_, &held) == 0 &&
         stat((path_ / "lock").c_str(), &there) == 0 && held.st_dev == there.st_dev &&
         held.st_ino == there.st_ino;
}

void RunDir::require_in_place() const {
  if (is_in_place()) return;
  throw DataError(fmt::format(
      "run directory {} was removed, moved or replaced while this run wrote into it. What is in its "
      "place is left alone; the run ends here. If the folder was moved, move it back: the same "
      "command then goes on from its newest checkpoint.",
      path_.string()));
}

bool RunDir::is_busy(const fs::path& folder) {
  // as one of many readers: a folder may be another user's, and two may ask at once
  const int fd = ::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool busy = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return busy;
}

RunDir::RunDir(RunDir&& other) noexcept
    : path_(std::move(other.path_)),
      set_aside_(std::move(other.set_aside_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)) {}

RunDir::~RunDir() { release(); }

}  // namespace mbrl
