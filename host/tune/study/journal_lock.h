// The lock of a study's journal among processes, ours and Optuna's, on one machine or several.
//
// It is Optuna's: whoever makes the link journal.log.lock beside the journal has it, and removes it
// again. Programs of ours queue by flock on the file `lock` first and note their names in it, so that
// what a killed one left is known at once.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

namespace mbrl {

class JournalLock {
 public:
  /// After which time a link that nobody touches is taken for a dead process's, as Optuna does.
  static constexpr std::chrono::seconds kGrace{30};

  /// `tell` hears of a wait that takes long, and of a lock that is taken from the dead.
  JournalLock(std::filesystem::path journal, std::function<void(const std::string&)> tell,
              std::chrono::milliseconds grace = kGrace);
  ~JournalLock();
  JournalLock(const JournalLock&) = delete;
  JournalLock& operator=(const JournalLock&) = delete;

  /// Waits for it. Errors   DataError if the folder cannot be written.
  void lock();
  /// Errors   none: what cannot be removed is taken from us after the grace.
  void unlock() noexcept;

 private:
  void queue();
  void note(const std::string& text) noexcept;
  bool make_link();
  bool is_ours_and_dead() const;
  [[noreturn]] void fail(int error) const;

  std::filesystem::path journal_, link_, queue_;
  std::function<void(const std::string&)> tell_;
  std::chrono::milliseconds grace_;
  std::string name_;
  int queue_fd_ = -1;
  ino_t link_inode_ = 0;
};

}  // namespace mbrl
