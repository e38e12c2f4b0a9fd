#include "host/io/discards.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace mbrl {
namespace fs = std::filesystem;

Discards::Discards(fs::path folder, std::function<void(const std::string&)> warn)
    : folder_(std::move(folder)), warn_(std::move(warn)) {
  std::error_code error;
  std::vector<fs::path> left;
  for (fs::directory_iterator entry(folder_, error), last; !error && entry != last;
       entry.increment(error)) {
    left.push_back(entry->path());
    const std::string name = entry->path().filename().string();
    std::uint64_t number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    next_ = std::max(next_, number + 1);
  }
  for (fs::path& path : left) add(std::move(path));
}

Discards::~Discards() { finish(); }

std::error_code Discards::discard(const fs::path& path) {
  std::error_code error, ignored;
  if (!fs::exists(fs::symlink_status(path, error))) return {};
  fs::path aside;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    aside = folder_ / fmt::format("{}", next_++);
  }
  fs::create_directories(folder_, ignored);
  fs::rename(path, aside, error);
  if (!error) {
    add(std::move(aside));
    return {};
  }
  fs::remove_all(path, error);
  return error;
}

void Discards::add(fs::path path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  waiting_.push_back(std::move(path));
  if (thread_.joinable()) return changed_.notify_one();
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error&) {
    // no more threads to be had: finish() deletes
  }
}

// until finish() is called and nothing waits
void Discards::work() {
  timespec begin{}, end{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (waiting_.empty()) break;
    const fs::path path = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    std::error_code error;
    fs::remove_all(path, error);
    lock.lock();
    if (error)
      warnings_.push_back(fmt::format("{} is no longer needed and cannot be removed: {}.",
                                      path.string(), error.message()));
  }
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
  thread_seconds_ += static_cast<double>(end.tv_sec - begin.tv_sec) +
                     1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec);
}

void Discards::finish() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable())
    thread_.join();
  else
    work();
  thread_ = {};
  ends_ = false;
  std::error_code ignored;
  fs::remove(folder_, ignored);
  for (const std::string& text : std::exchange(warnings_, {}))
    if (warn_) warn_(text);
}

}  // namespace mbrl
