// Which process trains which trial of a study, where several work on it, on one machine or many.
//
//   workers/<process>  a file that its process touches every few seconds while it lives
//   claims/<trial>     a file with the name of the process that trains it
//
// A claim of a process that has ended is free. One of this machine is known to have ended at once;
// one of another machine when its file has been still for two minutes.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace mbrl {

class Claims {
 public:
  struct Times {
    std::chrono::milliseconds beat{10'000};      // between two signs of life
    std::chrono::milliseconds silence{120'000};  // after which a process of another machine is dead
  };

  /// Work in a study's folder begins. `lost` hears, from a thread of its own, that others took this
  /// process for dead.
  ///
  /// Errors   DataError if files cannot be made there.
  explicit Claims(std::filesystem::path folder, std::function<void()> lost = {});
  Claims(std::filesystem::path folder, std::function<void()> lost, std::string name, Times times);
  /// Its claims stay, and are free.
  ~Claims();
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  /// Claims what no living process has; true if it is this one's then. Call it while no other process
  /// can: under Journal::Hold.
  bool take(const std::string& what);
  /// Gives a claim of this process back. What another has by now stays.
  void release(const std::string& what);

  /// Who has it: this process or another; nothing if it is free.
  std::optional<std::string> holder(const std::string& what);
  /// Whether there is a claim, of the living or the dead.
  bool has_claim(const std::string& what) const;
  const std::string& name() const { return name_; }
  /// Whether others took this process for dead and its claims with it.
  bool is_lost() const { return lost_; }

 private:
  struct Sign {
    std::filesystem::file_time_type time;
    std::chrono::steady_clock::time_point seen;
  };

  std::string claimant(const std::string& what) const;
  bool is_alive(const std::string& process);
  void live(const std::stop_token& stop);

  std::filesystem::path workers_, claims_;
  std::function<void()> on_lost_;
  std::string name_;
  Times times_;
  std::map<std::string, Sign> signs_;  // of other machines' processes
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::atomic<bool> lost_{false};
  std::jthread thread_;
};

}  // namespace mbrl
