// What a run leaves behind besides checkpoints: tables, events, log, summary.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "host/algo/hooks.h"
#include "host/io/csv.h"
#include "host/io/progress.h"
#include "host/io/run_state.h"
#include "host/io/tensorboard.h"
#include "host/run/run_dir.h"
#include "host/run/run_log.h"

namespace mbrl {

/// One row of metrics.csv.
struct EvaluationRow {
  std::int64_t env_steps;
  int epoch;
  double wall_time_s;
  double return_mean, return_std;
  int num_broken;               // of its episodes ended by an unstable simulator
  std::vector<double> metrics;  // in the order of the recorder's names
};

/// Writes metrics.csv, episodes.csv, events.out.tfevents.*, log.txt and summary.json of a run. But
/// for wall_time_s the tables of two runs of one config and seed are equal, byte for byte.
class Recorder {
 public:
  /// resume_env_steps: the step the run goes on from, or -1 for a fresh start. `to_console`: the
  /// log goes to standard error as well as into its file.
  Recorder(const RunDir& dir, const std::vector<std::string>& metric_names,
           std::int64_t resume_env_steps, ProgressSink& progress, bool to_console = true);
  ~Recorder();

  void record_evaluation(const EvaluationRow& row);
  void record_episode(const EpisodeReport& episode);
  void log(const std::string& text);
  void note(const std::string& text);  // log.txt only
  void warn(const std::string& text);
  void record_error(const std::string& text);  // log.txt only: who catches the error prints it

  /// summary.json, last: everything else that the recorder writes is on the disk before.
  void write_summary(RunStatus status, const nlohmann::ordered_json& summary);

  /// Waits until the disk has the tables. Before a checkpoint: what it was made after is then there
  /// too, whatever happens to the machine.
  void sync();

 private:
  std::filesystem::path folder_;
  std::vector<std::string> metric_names_;
  ProgressSink& progress_;
  CsvWriter metrics_, episodes_;
  TensorboardWriter events_;
  RunLog log_;
};

}  // namespace mbrl
