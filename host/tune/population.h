// Many learners at once: each on a host thread and a device stream of its own, sharing nothing that
// changes, so that the result does not depend on how many there are.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "envs/spec.h"
#include "host/config/config.h"
#include "host/io/progress.h"
#include "host/run/open_device.h"

namespace mbrl {

/// One run of a population.
struct Member {
  std::string label;
  std::function<void(OpenDevice&, ProgressSink&)> run;
  /// Called with the text where a value in its training was not finite, one member at a time; the
  /// others go on.
  std::function<void(const std::string&)> failed;
};

/// How a population uses the machine.
struct PopulationOptions {
  std::string device;      // text of --device
  DeviceConfig precision;  // of every member
  int concurrent = 1;
  int num_threads = 1;  // host threads in all, shared out evenly, at least one each
  Config config;        // of a member, for what is measured once: products of matrices
};

/// Runs all members, options.concurrent at a time, in order. After a stop signal those that run end
/// with their checkpoints and no other starts.
///
/// Errors   DeviceError if the device cannot be opened. Any error of a member but DivergedError,
///          such as a full disk or a lost device: all others stop with their checkpoints first.
void run_population(const std::vector<Member>& members, const PopulationOptions& options,
                    const std::string& title);

/// Learners that run at the same time for population.concurrent: auto is one per host thread on the
/// CPU and 10 on a GPU, as far as memory goes.
///
/// Errors   DeviceError saying how many fit if that is fewer than were asked for, or none.
int concurrent_learners(const Config& config, const EnvSpec& env, const Device& device,
                        int num_threads);

/// One status line for all members that run: each of them, or what they span where there are more
/// than two. Elsewhere than on a terminal every 30 s.
class PopulationProgress {
 public:
  PopulationProgress(std::string title, int num_members);
  PopulationProgress(std::string title, int num_members, int file_descriptor, bool terminal,
                     double interval_s);
  ~PopulationProgress();

  /// Where a member reports; gone from the line once it has finished.
  std::unique_ptr<ProgressSink> member(const std::string& label);
  /// The line as it stands.
  std::string text() const;

 private:
  class Sink;
  struct Entry {
    std::string label, stage;
    ProgressState state;
  };

  void show(bool now);

  std::string title_;
  int num_members_, num_done_ = 0;
  StatusLine line_;
  mutable std::mutex mutex_;
  std::vector<Entry*> entries_;  // of running members, in the order of their start
};

}  // namespace mbrl
