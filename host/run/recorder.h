// What a run leaves behind besides checkpoints: tables, events, log, summary.
#pragma once

#include <cstdint>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "host/algo/hooks.h"
#include "host/config/config.h"
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
  int num_broken;                    // of its episodes ended by an unstable simulator
  std::vector<double> metrics;       // in the order of the recorder's names
  std::vector<double> returns = {};  // of its episodes
  std::vector<int> lengths = {};
};

/// What viewers are told every log.interval steps, over the steps since the last such record.
struct LogRow {
  std::int64_t env_steps;
  double wall_time_s;           // of the training so far
  double seconds;               // wall time since the last record
  std::int64_t steps, updates;  // since then
  std::vector<double> metrics;  // in the order of the recorder's names
  std::vector<std::pair<std::string, double>> schedule = {};       // values by key, now
  std::vector<std::pair<std::string, double>> stage_seconds = {};  // since then
};

/// Writes metrics.csv, evaluations.csv, episodes.csv, events.out.tfevents.*, log.txt and summary.json of a run. But
/// for wall_time_s the tables of two runs of one config and seed are equal, byte for byte.
class Recorder {
 public:
  /// resume_env_steps: the step the run goes on from, or -1 for a fresh start. `to_console`: the
  /// log goes to standard error as well as into its file.
  Recorder(const RunDir& dir, const std::vector<std::string>& metric_names,
           std::int64_t resume_env_steps, ProgressSink& progress, bool to_console = true);
  ~Recorder();

  /// Tells viewers the keys that the run reads; once in the life of a run.
  void describe(const Config& config);
  void record_evaluation(const EvaluationRow& row);
  void record_episode(const EpisodeReport& episode);
  void record_log(const LogRow& row);
  void record_fit(std::int64_t env_steps, const FitReport& fit);
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
  std::vector<std::string> metric_names_, log_tags_;  // "" where the tag is not of the log
  ProgressSink& progress_;
  CsvWriter metrics_, evaluations_, episodes_;
  struct Episode {
    double episode_return, length;
  };
  std::deque<Episode> recent_;  // training episodes, the newest last
  TensorboardWriter events_;
  RunLog log_;

  void remember(const Episode& episode);
  void remember_rows(const std::filesystem::path& table);
};

}  // namespace mbrl
