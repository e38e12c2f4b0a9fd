// Environments that other processes serve: what they say of themselves, and batches of their steps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "envs/env.h"
#include "envs/process/child.h"

namespace mbrl {

/// What a process says of the environments that it serves.
struct ProcessGreeting {
  std::string name = {};
  int observation_size = 0, action_size = 0;
  int max_episode_steps = 0;              // 0: none of its own
  bool serves_ends = false;               // says where imagined episodes end
  std::vector<float> low, high;           // of an action's entries
  std::vector<std::string> entries = {};  // names of the observation's; none or all

  /// All of it: part of a run's identity.
  std::string text() const;
  bool operator==(const ProcessGreeting&) const = default;
};

/// The greeting of env.command; of a command that has greeted before, without starting it again.
///
/// Errors   ConfigError if the command is empty, no words or no program, if its process ends, stays
///          silent or answers with nonsense, another version or an error of its own, if its actions
///          have no finite bounds or its sizes are out of range.
ProcessGreeting process_greeting(const EnvOptions& options);

/// N environments in M processes, stepped as one batch in the order of their numbers. Used by one
/// thread at a time.
///
/// A process that fails ends the episodes of all its environments and is started again for the next
/// ones. Errors of reset() and step(): DataError with its last words at its third failure in a row,
/// with no whole episode in between; of step() ShapeError for an environment without an episode.
class ProcessBatch {
 public:
  ProcessBatch(const EnvOptions& options, int num_envs, int num_processes);
  ~ProcessBatch();

  const EnvSpec& spec() const { return spec_; }
  int size() const { return num_envs_; }

  /// Starts episodes where which[i] != 0; writes their rows of observation [N, S]. A process that
  /// fails meanwhile is started again and takes the episodes of its other environments along: lost()
  /// says which these are.
  void reset(std::span<const std::uint8_t> which, std::span<const std::uint64_t> seeds,
             float* observation);

  /// Steps environments where which[i] != 0. Actions [N, A] are in [-1, 1], finite ones beyond are
  /// clipped; all must be finite. Writes the rows of next [N, S], and reward, flags
  /// (protocol::kTerminated, kTruncated) and faults [N] of those environments.
  void step(std::span<const std::uint8_t> which, const float* actions, float* next, float* reward,
            std::uint8_t* flags, std::uint8_t* faults);

  /// By what failure an environment has lost its episode, which another reset() starts; kNoFault if
  /// it has one, or has never had one.
  Fault lost(int env) const { return static_cast<Fault>(lost_[env]); }

  /// What the last failure was; "" if there was none.
  const std::string& last_failure() const { return last_failure_; }

 private:
  struct Worker {
    int first = 0, count = 0;  // environments
    std::unique_ptr<ChildProcess> process;
    int failures = 0;                     // in a row
    bool opening = false, asked = false;  // a reply is to come
    std::vector<std::byte> which, body;
  };
  void ask_to_open(Worker& worker);
  void start_all();
  void count_failure(Worker& worker, ProcessFailure failure);
  void mask(Worker& worker, std::span<const std::uint8_t> which) const;
  std::optional<ProcessFailure> take_reset(Worker& worker, std::span<const std::uint8_t> which,
                                           float* observation);

  EnvOptions options_;
  ProcessGreeting greeting_;
  EnvSpec spec_;
  int num_envs_;
  std::vector<Worker> workers_;
  std::vector<std::uint8_t> whole_;  // whether the episode has had steps and no fault
  std::vector<std::uint8_t> lost_;   // a Fault
  std::string last_failure_;
  bool started_ = false;
};

/// The user's function of where imagined episodes end (env.end=served), in a process of its own.
class ServedEnds {
 public:
  explicit ServedEnds(const EnvOptions& options);

  /// ends[row] = whether an episode ends in observation row [rows, S]. Errors: DataError if the
  /// process fails three times in a row; one that greets otherwise than the environment's has failed.
  void ask(const float* observation, int rows, std::uint8_t* ends);

 private:
  void ask_some(const float* observation, int rows, std::uint8_t* ends);

  EnvOptions options_;
  ProcessGreeting greeting_;
  std::unique_ptr<ChildProcess> process_;
};

/// The seed that an environment is told for an episode: 31 bits, a function of (seed, episode).
std::uint64_t process_seed(std::uint32_t seed, std::uint64_t episode);

/// a in [-1, 1] mapped to [low, high]: the ends exactly.
float map_action(float action, float low, float high);

/// env.name=process. The child starts at the first reset; a process cannot save its state: it has
/// none, and set_state() begins nothing.
std::unique_ptr<Env> make_process(const EnvOptions& options);

/// What the last failure of an environment's process was, with its last words; "" if there was none,
/// or no process serves the environment.
std::string last_failure(const Env& env);

/// What a run on such an environment says at its start.
std::string process_note(const EnvOptions& options);

}  // namespace mbrl
