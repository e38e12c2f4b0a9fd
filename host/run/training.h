// One learner trained into one folder: what the loop's hooks work on.
#pragma once

#include <chrono>
#include <cmath>
#include <functional>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/algo/learner.h"
#include "host/io/progress.h"
#include "host/run/open_device.h"
#include "host/run/recorder.h"
#include "host/run/resume.h"
#include "host/run/run_dir.h"
#include "host/run/signals.h"
#include "host/run/time_left.h"
#include "host/schedule/schedule.h"

namespace mbrl {

struct TrainingOptions {
  Config config;
  std::string resume = "auto";      // auto, never, or a checkpoint
  std::uint32_t learner_index = 0;  // of the random draws: learners of one seed differ in it
  bool to_console = true;           // the log goes to standard error as well
  std::function<void(const std::string&)> on_warning = {};  // hears of warnings too, if given
  /// Writes what else the run leaves, however it ends: summary.json, the marker, comes after it.
  std::function<void()> before_marker = {};
  /// Whether evaluations run, and checkpoints are written, beside the training: on a GPU unless
  /// said otherwise. On a CPU they would take its threads. Tables and checkpoints are the same.
  std::optional<bool> in_background = {};
};

class Training {
 public:
  /// `schedule` may be null. Goes on from the checkpoint that options.resume means.
  ///
  /// Errors   DataError if there are checkpoints to go on from but none is whole, and if a table
  ///          with the rows before is gone; "never" starts such a run over.
  Training(TrainingOptions options, const RunDir& dir, OpenDevice& device, ProgressSink& progress,
           std::unique_ptr<Schedule> schedule = nullptr);

  /// Until all steps are done, to a pause at env step `until`, or until a stop is asked for.
  ///
  /// Returns  kDone, or kStopped after a stop.
  /// Errors   those of the learner, after they were written to the run's log. A DivergedError says
  ///          the env step too, and where the state at the failure has been saved. DataError if the
  ///          folder was removed, moved or replaced meanwhile.
  ExitCode run(std::int64_t until = std::numeric_limits<std::int64_t>::max());

  /// Return of the last evaluation, NaN before the first.
  double final_return() const { return final_return_; }

 private:
  Hooks hooks();
  void enter_stage(std::string_view stage);
  void tell_progress();
  void log();
  void evaluate();
  bool before_step();
  void finish_evaluation();
  bool wants_checkpoint();
  void checkpoint();
  void write_pending_checkpoint();
  void finish_checkpoint();
  void finish_background();
  void keep_background();
  void poll_background();
  template <typename Job>
  auto start(Job job);
  std::string keep_diverged(const std::string& error);
  void record_failure(RunStatus status, const std::string& error);
  void write_summary(RunStatus status, const std::string& error = "");
  double wall_time() const;

  // an evaluation that runs, or has run, and is still to be recorded
  struct PendingEvaluation {
    std::future<Evaluation> result;
    std::int64_t env_steps;
    int epoch;
    double wall_time_s;
    std::vector<double> metrics;
  };
  // where the last record for viewers stands
  struct Logged {
    std::chrono::steady_clock::time_point time = std::chrono::steady_clock::now();
    std::int64_t env_steps = 0, updates = 0;
    std::map<std::string, double> stage_seconds = {};
  };
  // the state at a step. It is written once the evaluations before it are recorded, and `written`
  // is valid from then on
  struct PendingCheckpoint {
    std::unique_ptr<CheckpointState> state;
    nlohmann::json run;
    std::future<std::vector<std::string>> written = {};  // warnings
  };

  TrainingOptions options_;
  const RunDir& dir_;
  OpenDevice& device_;
  ProgressSink& progress_;
  std::string stage_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<Schedule> schedule_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point stage_start_, saved_ = start_;
  int num_saves_seen_ = num_saves_requested();
  std::map<std::string, double> stage_seconds_;  // wall time, by stage
  Logged logged_;
  TimeLeft time_left_;
  double wall_time_before_ = 0.0;  // of the runs this one continues
  std::int64_t updates_before_ = 0;
  std::vector<std::string> pending_log_;  // until the recorder is open
  double final_return_ = std::nan(""), best_return_ = std::nan("");
  const bool in_background_;
  // last, so that their threads end first
  std::unique_ptr<ThreadPool> evaluation_pool_;
  std::optional<PendingCheckpoint> checkpoint_;
  std::optional<PendingEvaluation> evaluation_;
};

}  // namespace mbrl
