// The processes that one mpirun started. Rank 0 leads: it owns the folder, the journal and the
// controller, and sends the others what they are to train (rank_work.h). ranks.cpp alone knows MPI.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mbrl {

/// Tags of messages: orders to a rank; what comes back, by slot; files of runs both ways, by slot.
enum RankTag { kOrders = 1, kReplies = 100, kFiles = 10100 };
/// Orders that are no work: to end, and to end without waiting for a rank that is gone.
inline constexpr std::string_view kEnd = "end", kEndAtOnce = "end at once";

class Ranks {
 public:
  /// Joins the others where mpirun started this process together with others; nothing where it is
  /// alone. All ranks are built from one version then, and SIGUSR2 asks for a stop as SIGTERM does:
  /// mpirun passes it on to all.
  ///
  /// Errors   ConfigError if the program was built without MPI, or ranks are of other versions. Rank 0
  ///          throws it; the others end at once and say nothing.
  static std::unique_ptr<Ranks> join();
  /// What join() gave; null before, after, and where this process is alone.
  static Ranks* current();
  /// "Open MPI 4.1.4", or "" for a program that was built without.
  static std::string library();

  /// Rank 0 lets the others end, at once and without a farewell after give_up().
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Host threads of this rank: the cores it may use, shared evenly with the ranks of its machine that
  /// may use the same.
  int num_threads() const { return num_threads_; }
  /// The device that --device means here: of auto and cuda the ranks of a machine take its GPUs in
  /// turn.
  std::string device(const std::string& text) const;

  /// Whether a rank's process is known to have ended: of this machine's at once, of others never.
  bool has_ended(int rank) const;
  /// Whether it is a process of this machine, and of no other container of it.
  bool is_here(int rank) const;
  /// A rank is gone: those that are left do not wait for it.
  void give_up() { given_up_ = true; }

  /// Sends a message; returns when it is on its way. From any thread.
  ///
  /// Errors   DataError if it is larger than 2 GiB; DeviceError if the other rank ends meanwhile.
  void send(int to, int tag, std::string_view bytes);
  /// A message that has come; nothing if there is none. From any thread.
  ///
  /// Errors   DeviceError if the other rank ends within its message.
  std::optional<std::string> receive(int from, int tag);
  /// The same, which waits for it. Errors   DeviceError if the other rank has ended.
  std::string wait_for(int from, int tag);

 private:
  Ranks() = default;
  void require_one_version();
  void share_machine();

  int rank_ = 0, size_ = 1, local_rank_ = 0, num_threads_ = 1;
  std::vector<std::string> processes_;  // names, by rank
  std::atomic<bool> given_up_{false};
};

}  // namespace mbrl
