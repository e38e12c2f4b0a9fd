// One process that serves environments: its start, its pipes, its end.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "envs/env.h"
#include "envs/process/protocol.h"

namespace mbrl {

/// Why a process is of no use any more.
struct ProcessFailure {
  Fault fault = kNoFault;
  std::string text;        // "it ended with exit code 1"
  std::string last_words;  // what it printed last, on one line; "" if nothing
};

/// "it ended with exit code 1. Its last words: ..."
std::string failure_text(const ProcessFailure& failure);

/// A process in a group of its own that reads requests at descriptor 3 and writes replies at 4. Its
/// standard input is empty; what it prints on standard output or standard error is read while it
/// is waited for, and the last of it is kept. The destructor closes the pipes, gives it a moment to
/// end by itself, if it has not failed, and then stops it and what it has started.
class ChildProcess {
 public:
  using Clock = std::chrono::steady_clock;

  /// Starts it. Errors: ConfigError naming env.command if there is no such program or it cannot be
  /// started; DeviceError if the system has no room for another process or its pipes.
  explicit ChildProcess(const std::vector<std::string>& words);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Writes one request, whose payload is the parts in a row.
  std::optional<ProcessFailure> send(protocol::Op op,
                                     std::initializer_list<std::span<const std::byte>> parts,
                                     double timeout_s);

  /// Reads the reply to the last request: `reply()` is its payload, of any size up to a limit if
  /// `bytes` is kAnySize.
  std::optional<ProcessFailure> receive(std::size_t bytes, double timeout_s);
  static constexpr std::size_t kAnySize = ~std::size_t{0};
  std::span<const std::byte> reply() const { return reply_; }

  /// A failure with what the process has printed last, for what its callers find wrong.
  ProcessFailure failure(Fault fault, std::string text);

  /// From now on, if the process has a single thread and no child, it runs on the core of the thread
  /// that asks it, which stays there from send() to the end of receive(): with one process that is
  /// waited for, no sleeping core has to be woken. One with threads or children is left where it is,
  /// as they would share that core. Cost: looks at it at the first call alone.
  void stay_beside_parent_if_alone();

  /// Tells the process to end, by closing what it reads.
  void close_requests();

 private:
  enum class Wait { kReady, kEnded, kLate };
  Wait wait(int descriptor, short events, Clock::time_point deadline);
  std::optional<ProcessFailure> read_fully(std::span<std::byte> into, Clock::time_point deadline,
                                           double timeout_s, bool first);
  ProcessFailure ended();
  ProcessFailure late(double timeout_s);
  void read_output();
  bool reap(double patience_s);
  bool is_alone() const;
  void move_beside_parent();
  void let_parent_go();
  std::optional<ProcessFailure> receive_whole(std::size_t bytes, double timeout_s);

  pid_t pid_ = -1;
  Descriptor pid_descriptor_;  // readable once the process has ended; none if the kernel has none
  Descriptor requests_, replies_, output_;
  std::optional<int> status_;  // of waitpid
  std::uint64_t sequence_ = 0;
  std::vector<std::byte> request_, reply_;
  std::string printed_;
  std::optional<bool> alone_;  // once it was looked at
  bool beside_parent_ = false;
  bool failed_ = false;   // and is not waited for
  int core_ = -1;         // of the process
  bool held_ = false;     // whether this thread stays on one core until the reply
  cpu_set_t cores_ = {};  // that it may use else
};

}  // namespace mbrl
