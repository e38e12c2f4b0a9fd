// One run from the command line to its summary: assembles a learner, ticks it, records what it
// does.
//
//   config --> run directory --> (checkpoint) --> learner
//   loop: step --> evaluation due? --> checkpoint due? --> stop asked?
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/config/config.h"
#include "host/run/run_dir.h"

namespace mbrl {

class Schedule;
struct OpenDevice;

struct RunOptions {
  Config config;
  /// Makes what changes hyperparameters during the run; empty where nothing does.
  std::function<std::unique_ptr<Schedule>(const Config&, OpenDevice&)> make_schedule = {};
  std::string device = "auto";
  int num_threads = 0;  // 0: all cores this process may use
  std::string resume =
      "auto";  // auto: the newest checkpoint of this run, never: anew, or a checkpoint's path
  std::string check = {};  // "cpu": compare each stage of a GPU with its CPU twin; "": do not
  std::filesystem::path runs = "runs";
  std::vector<std::string> command = {};  // argv, kept in command.txt
};

/// Errors   ConfigError if the config's name is that of the link to the newest run.
void require_run_name(const Config& config);

/// Opens the run's folder as options.resume asks and shows the config on standard output.
///
/// Errors   those of RunDir::open.
RunDir open_run_dir(const RunOptions& options, const std::string& machine);

/// Trains until config.loop.num_env_steps or a stop signal.
///
/// Returns  kDone, or kStopped after a signal (a checkpoint was written).
/// Errors   those of the parts; existing checkpoints are kept.
ExitCode run_training(const RunOptions& options);

}  // namespace mbrl
