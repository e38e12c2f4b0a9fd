// Folders that nobody needs any more: out of the way at once, deleted by a thread meanwhile.
//
//   old folder --rename--> discards/<number> --thread--> gone
//
// Deleting waits for the disk, and renaming does not. What a process that was killed has left in
// discards/ goes as the next one begins.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace mbrl {

/// One process at a time has one of a folder.
class Discards {
 public:
  /// `folder`: on the file system of what is discarded; it comes and goes. `warn` hears of what
  /// cannot be deleted, which takes space and does no harm, in finish().
  Discards(std::filesystem::path folder, std::function<void(const std::string&)> warn);
  /// Waits as finish() does.
  ~Discards();
  Discards(const Discards&) = delete;
  Discards& operator=(const Discards&) = delete;

  /// Takes a folder away. Nothing happens if it is not there. Any thread may call it.
  ///
  /// Returns  why it stays where it is; nothing once it is gone.
  /// Cost     a name; where that cannot be changed it is deleted in place.
  std::error_code discard(const std::filesystem::path& path);

  /// Waits until all are deleted.
  void finish();

  /// Processor time that the thread has taken, of what has ended in finish().
  double thread_seconds() const { return thread_seconds_; }

 private:
  void add(std::filesystem::path path);
  void work();

  std::filesystem::path folder_;
  std::function<void(const std::string&)> warn_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::filesystem::path> waiting_;
  std::vector<std::string> warnings_;
  std::uint64_t next_ = 0;  // number
  bool ends_ = false;
  double thread_seconds_ = 0.0;
  std::thread thread_;  // once there is something to delete
};

}  // namespace mbrl
