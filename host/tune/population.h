// Many learners at once, in rounds: each member goes on to the same env step, as many of them at a
// time as the machine holds. Between rounds one may take over what another has learned.
//
//   run(1000) --> copy(from, to) --> run(2000) --> ... --> run()
//
// A member has a host thread and a device stream of its own while it runs and shares nothing that
// changes, so the result does not depend on how many run at a time.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "envs/spec.h"
#include "host/config/config.h"
#include "host/io/progress.h"
#include "host/run/open_device.h"

namespace mbrl {

/// As far as the members' training goes.
constexpr std::int64_t kToTheEnd = std::numeric_limits<std::int64_t>::max();

class RankSlot;

/// One learner of a population.
class Member {
 public:
  virtual ~Member() = default;
  virtual const std::string& label() const = 0;

  /// Goes on to env step `until`, or to the end of its training if that comes first. After a stop
  /// signal it ends earlier, and the next call goes on from there. The device is there for this
  /// call alone.
  ///
  /// Errors   DivergedError if a value in its training is not finite.
  virtual void run(std::int64_t until, OpenDevice& device, ProgressSink& progress) = 0;

  /// Whether another rank (ranks.h) can train it, and run() there. Errors   those of run() and
  /// RankSlot::call.
  virtual bool can_travel() const { return false; }
  virtual void run_at(RankSlot&, std::int64_t, ProgressSink&) {}

  /// Takes over all that `other` has learned and stored: weights, moments, counters, replay and
  /// hyperparameters. Neither runs. From then on it continues as `other` would with this member's
  /// random draws.
  virtual void copy_from(const Member& other) = 0;

  /// Hears of its DivergedError; one member at a time.
  virtual void failed(const std::string& error) = 0;
};

/// How a population uses the machine.
struct PopulationOptions {
  std::string device;      // text of --device
  DeviceConfig precision;  // of every member
  int concurrent = 1;
  int num_threads = 1;  // host threads in all, divided evenly, at least one each
  Config config;        // of a member, for what is measured once: products of matrices
};

class Population {
 public:
  Population(std::vector<std::unique_ptr<Member>> members, PopulationOptions options,
             std::string title);

  /// A round: runs all members that have not failed to `until`, in order, options.concurrent at a
  /// time, or as many on each rank of mpirun as far as all of them can travel. A member that diverges
  /// is told and takes no part in later rounds. After a stop signal those that run end with their
  /// checkpoints and no other starts.
  ///
  /// Returns  false after a stop.
  /// Errors   DeviceError if the device cannot be opened. Any error of a member but DivergedError,
  ///          such as a full disk or a lost device: all others stop with their checkpoints first.
  bool run(std::int64_t until = kToTheEnd);

  /// Between rounds: member `to` takes over what `from` is. If it had failed it is whole again.
  ///
  /// Errors   DataError if `from` has failed, and those of Member::copy_from.
  void copy(int from, int to);

  int size() const { return static_cast<int>(members_.size()); }
  bool has_failed(int i) const { return failed_[static_cast<std::size_t>(i)] != 0; }

 private:
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<char> failed_;
  PopulationOptions options_;
  std::string title_;
};

/// Learners that run at the same time for population.concurrent: auto is one per host thread on the
/// CPU and 10 on a GPU, as far as memory goes.
///
/// Errors   DeviceError saying how many fit if that is fewer than were asked for, or none.
int concurrent_learners(const Config& config, const EnvSpec& env, const Device& device,
                        int num_threads);

}  // namespace mbrl
