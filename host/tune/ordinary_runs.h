// Runs as `mbrl_gpu run` makes them, in the same folders, several at a time.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/io/run_state.h"
#include "host/run/run.h"
#include "host/tune/population.h"

namespace mbrl {

/// One of them: `options` are those of `mbrl_gpu run`; its device and threads are those of all.
struct OrdinaryRun {
  RunOptions options;
  std::string label;               // in the live line and in messages: "1e-4 seed=0"
  std::int64_t until = kToTheEnd;  // env step of a pause; the same run goes on from there later
  bool keep_checkpoints = true;    // once its training is complete
};

/// What has become of one.
struct RunOutcome {
  RunStatus status = RunStatus::kOpen;  // kOpen: it has not begun
  std::string error = {};               // of kFailed and kDiverged
  std::filesystem::path folder = {};
};

struct OrdinaryRunsOptions {
  std::string title;                // of the live line
  std::string device = "auto";      // text of --device
  int num_threads = 1;              // host threads in all
  std::string concurrent = "auto";  // runs at a time, or auto: as concurrent_learners says
  std::function<void(const std::string&)> warn = {};
  /// Hear of each run as it begins and as it ends, one at a time; `i` is its place in the list. A run
  /// for which on_begin is false is another process's and left out; what is complete begins and ends.
  std::function<bool(std::size_t i)> on_begin = {};
  std::function<void(std::size_t i, const RunOutcome&)> on_end = {};
};

/// What can be said before the first of many runs begins: that it can be trained at all, that no two
/// of them have one folder, that files can be made in theirs.
///
/// Errors   ConfigError naming the run, DataError for a folder that cannot be written.
void check_runs(const std::vector<OrdinaryRun>& runs,
                const std::function<void(const std::string&)>& warn);

/// How many of the runs are trained at a time.
///
/// Errors   those of concurrent_learners.
int runs_at_a_time(const std::vector<OrdinaryRun>& runs, const OrdinaryRunsOptions& options);

/// The run's folder, and what has become of it so far.
///
/// Errors   DataError naming summary.json if it is damaged.
RunOutcome outcome_of(const OrdinaryRun& run);

/// Trains all that are not complete, in their order. A run that has diverged would again and is left
/// as it is; one that fails, or whose folder another process works in, ends no other. After a stop
/// signal those that run end with their checkpoints and no other begins.
///
/// Returns  an outcome for each.
/// Errors   DeviceError; DataError where the disk is full: all others stop with their checkpoints.
std::vector<RunOutcome> train_runs(const std::vector<OrdinaryRun>& runs,
                                   const OrdinaryRunsOptions& options);

/// What another rank does for one of them. Returns the reply. Errors   as train_runs.
nlohmann::json train_ordered_run(const nlohmann::json& order, const Config& config,
                                 const std::filesystem::path& folder, OpenDevice& device,
                                 ProgressSink& progress);

}  // namespace mbrl
