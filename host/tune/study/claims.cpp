#include "host/tune/study/claims.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/folders.h"
#include "host/io/output_file.h"
#include "host/tune/study/process_name.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

// more is no name of a process
constexpr std::uint64_t kMostBytes = 4096;

}  // namespace

Claims::Claims(fs::path folder, std::function<void()> lost)
    : Claims(std::move(folder), std::move(lost), own_process_name(), Times()) {}

Claims::Claims(fs::path folder, std::function<void()> lost, std::string name, Times times)
    : workers_(folder / "workers"),
      claims_(folder / "claims"),
      on_lost_(std::move(lost)),
      name_(std::move(name)),
      times_(times) {
  for (const fs::path& each : {workers_, claims_})
    if (const std::error_code error = make_folders(each); error)
      throw DataError(fmt::format("{} cannot be made: {}. Choose another place with --study DIR.",
                                  printable(each.string()), error.message()));
  OutputFile(workers_ / name_, OutputFile::Mode::kTruncate).close();
  // what the killed left; asking takes it away
  for (const fs::path& worker : entries_of(workers_)) is_alive(worker.filename().string());
  thread_ = std::jthread([this](const std::stop_token& stop) { live(stop); });
}

Claims::~Claims() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  ::unlink((workers_ / name_).c_str());
}

void Claims::live(const std::stop_token& stop) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!wake_.wait_for(lock, stop, times_.beat, [&] { return stop.stop_requested(); })) {
    if (stop.stop_requested()) return;
    if (::utimensat(AT_FDCWD, (workers_ / name_).c_str(), nullptr, 0) == 0 || errno != ENOENT)
      continue;
    lost_ = true;
    if (on_lost_) on_lost_();
    return;
  }
}

std::string Claims::claimant(const std::string& what) const {
  try {
    return read_file(claims_ / what, kMostBytes);
  } catch (const DataError&) {
    return "";
  }
}

bool Claims::is_alive(const std::string& process) {
  if (process == name_) return !lost_;
  if (process.empty() || process.find('/') != std::string::npos) return false;
  const fs::path file = workers_ / process;
  std::error_code absent;
  const fs::file_time_type time = fs::last_write_time(file, absent);
  if (absent) return false;
  bool ended = false;
  if (const std::optional<bool> known = process_has_ended(process)) {
    ended = *known;
  } else {
    const Clock::time_point now = Clock::now();
    const auto [sign, is_new] = signs_.try_emplace(process, Sign{time, now});
    if (sign->second.time != time) sign->second = {time, now};
    ended = now - sign->second.seen > times_.silence;
  }
  // where it lives against all signs, its own thread misses the file
  if (ended) ::unlink(file.c_str());
  return !ended;
}

bool Claims::take(const std::string& what) {
  const std::string other = claimant(what);
  if (other == name_) return !lost_;
  if (lost_ || is_alive(other)) return false;
  // in one step; nothing of it needs to outlast a power failure, which ends all processes
  const fs::path file = claims_ / what, temporary = claims_ / ("." + name_);
  OutputFile out(temporary, OutputFile::Mode::kTruncate);
  out.write(name_);
  out.close();
  std::error_code error;
  fs::rename(temporary, file, error);
  if (error)
    throw DataError(
        fmt::format("{} cannot be made: {}.", printable(file.string()), error.message()));
  return true;
}

void Claims::release(const std::string& what) {
  if (claimant(what) == name_) ::unlink((claims_ / what).c_str());
}

std::optional<std::string> Claims::holder(const std::string& what) {
  std::string process = claimant(what);
  if (!is_alive(process)) return std::nullopt;
  return process;
}

bool Claims::has_claim(const std::string& what) const {
  std::error_code absent;
  return fs::exists(claims_ / what, absent);
}

}  // namespace mbrl
