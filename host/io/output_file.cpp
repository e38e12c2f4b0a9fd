#include "host/io/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "host/io/replace_file.h"

namespace mbrl {
namespace fs = std::filesystem;

namespace {

// what errors may advise: the options of the command at hand
bool of_a_run = false;
std::string option_of_folder = "--runs DIR";

}  // namespace

ReadError::ReadError(const fs::path& path, int error_number)
    : DataError(fmt::format("{} cannot be read: {}.", path.string(), std::strerror(error_number))),
      number(error_number) {}

OutputFile::OutputFile(fs::path path, Mode mode, std::uint64_t expected_bytes)
    : path_(std::move(path)), expected_bytes_(expected_bytes) {
  const int how = mode == Mode::kTruncate ? O_TRUNC : O_APPEND;
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, 0644);
  if (fd_ < 0) fail(errno, 0);
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::write(const void* data, std::size_t num_bytes) {
  const char* next = static_cast<const char*>(data);
  while (num_bytes > 0) {
    // Linux writes at most 2 GiB at once
    const ssize_t count = ::write(fd_, next, std::min<std::size_t>(num_bytes, 1u << 30));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(errno, num_bytes);
    next += count;
    num_bytes -= static_cast<std::size_t>(count);
    written_ += static_cast<std::uint64_t>(count);
  }
}

void OutputFile::sync() {
  // EINVAL, ENOTSUP: a file that has no disk behind it, such as a pipe
  if (::fsync(fd_) != 0 && errno != EINVAL && errno != ENOTSUP) fail(errno, 0);
}

void OutputFile::close() {
  const int fd = std::exchange(fd_, -1);
  if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) fail(errno, 0);
}

void check_writable(const fs::path& file) {
  const fs::path folder = file.parent_path().empty() ? "." : file.parent_path();
  std::error_code unknown;
  std::string reason;
  if (!fs::is_directory(folder, unknown))
    reason = fmt::format("there is no folder {}", printable(folder.string()));
  else if (fs::is_directory(file, unknown))
    reason = "it is a folder";
  else if (access(fs::exists(file, unknown) ? file.c_str() : folder.c_str(), W_OK) != 0)
    reason = std::strerror(errno);
  if (!reason.empty())
    throw DataError(fmt::format("{} cannot be written: {}. Choose another place.",
                                printable(file.string()), reason));
}

void advise_options_of_a_run(std::string option) {
  of_a_run = true;
  option_of_folder = std::move(option);
}

const std::string& folder_option() { return option_of_folder; }

void OutputFile::fail(int error, std::size_t num_bytes) const {
  std::string text = fmt::format("{} cannot be written: {}", path_.string(), std::strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    std::error_code unknown;
    const auto space = fs::space(path_.parent_path().empty() ? "." : path_.parent_path(), unknown);
    const std::uint64_t needed = std::max(expected_bytes_, written_ + num_bytes);
    text += fmt::format("; the file needs {}", bytes_text(needed));
    // what this file already holds is its own
    if (!unknown)
      text += fmt::format(", {} are free there", bytes_text(space.available + written_));
    text += error == EFBIG ? ". Raise the limit on file sizes (`ulimit -f`)"
            : of_a_run     ? ". Free some space, lower checkpoint.keep"
                           : ". Free some space";
    text += " or choose another disk";
    text +=
        of_a_run ? fmt::format(" with {}; existing checkpoints are kept.", option_of_folder) : ".";
  } else {
    text += ". Choose another place";
    text += of_a_run ? fmt::format(" with {}.", option_of_folder) : ".";
  }
  throw DataError(text);
}

void write_file_atomically(const fs::path& given, std::string_view text) {
  replace_file(given, [&](const fs::path& path) {
    OutputFile file(path, OutputFile::Mode::kTruncate, text.size());
    file.write(text);
    file.sync();
    file.close();
  });
}

void sync_folder(const fs::path& folder) {
  const fs::path name = folder.empty() ? fs::path(".") : folder;
  const int fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int error = fd < 0 || ::fsync(fd) != 0 ? errno : 0;
  if (fd >= 0) ::close(fd);
  // some network file systems cannot do this and need not; a folder above may be one to pass alone
  if (error != 0 && error != EINVAL && error != ENOTSUP && error != EACCES) {
    throw DataError(
        fmt::format("{} cannot be brought to disk: {}.", name.string(), std::strerror(error)));
  }
}

std::error_code make_folders(const fs::path& folder) {
  std::vector<fs::path> with_new_names;
  std::error_code error;
  for (fs::path above = folder; !above.empty() && !fs::exists(above, error);
       above = above.parent_path())
    with_new_names.push_back(above.parent_path());
  fs::create_directories(folder, error);
  if (!error)
    for (const fs::path& above : with_new_names) sync_folder(above);
  return error;
}

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string text;
  int error = fd < 0 ? errno : 0;
  char block[1 << 16];
  while (error == 0) {
    const ssize_t count = ::read(fd, block, sizeof block);
    if (count == 0) break;
    if (count > 0) text.append(block, static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) error = errno;
    if (text.size() > max_bytes) break;
  }
  if (fd >= 0) ::close(fd);
  if (error != 0) throw ReadError(path, error);
  if (text.size() > max_bytes)
    throw DataError(fmt::format("{} holds more than {}, the most that is read from such a file.",
                                path.string(), bytes_text(max_bytes)));
  return text;
}

std::string bytes_text(std::uint64_t num_bytes) {
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (num_bytes < 1024) return fmt::format("{} bytes", num_bytes);
  double value = static_cast<double>(num_bytes) / 1024.0;
  int unit = 0;
  for (; value >= 1024.0 && unit < 3; ++unit) value /= 1024.0;
  return fmt::format("{:.2f} {}", value, units[unit]);
}

}  // namespace mbrl
