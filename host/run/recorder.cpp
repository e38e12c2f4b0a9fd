#include "host/run/recorder.h"

#include <nlohmann/json.hpp>

namespace mbrl {
namespace {

std::vector<std::string> metric_columns(const std::vector<std::string>& names) {
  std::vector<std::string> columns{"env_steps",        "epoch",           "wall_time_s",
                                   "eval_return_mean", "eval_return_std", "eval_broken"};
  columns.insert(columns.end(), names.begin(), names.end());
  return columns;
}

// before its tables change: a stale summary would look like this run's
const std::filesystem::path& opened(const std::filesystem::path& folder) {
  open_run_state(folder);
  return folder;
}

}  // namespace

Recorder::Recorder(const RunDir& dir, const std::vector<std::string>& metric_names,
                   std::int64_t resume_env_steps, ProgressSink& progress, bool to_console)
    : folder_(opened(dir.path())),
      metric_names_(metric_names),
      progress_(progress),
      metrics_(folder_ / "metrics.csv", metric_columns(metric_names), resume_env_steps),
      episodes_(folder_ / "episodes.csv",
                {"env_steps", "episode", "return", "length", "terminated", "truncated", "broken"},
                resume_env_steps),
      events_(folder_, resume_env_steps),
      log_(folder_ / "log.txt", resume_env_steps >= 0, to_console) {}

Recorder::~Recorder() = default;

void Recorder::record_evaluation(const EvaluationRow& row) {
  std::vector<double> values{static_cast<double>(row.env_steps),
                             static_cast<double>(row.epoch),
                             row.wall_time_s,
                             row.return_mean,
                             row.return_std,
                             static_cast<double>(row.num_broken)};
  values.insert(values.end(), row.metrics.begin(), row.metrics.end());
  metrics_.append(values);
  events_.scalar("eval/return_mean", row.env_steps, row.return_mean);
  events_.scalar("eval/return_std", row.env_steps, row.return_std);
  for (std::size_t i = 0; i < metric_names_.size(); ++i)
    events_.scalar("train/" + metric_names_[i], row.env_steps, row.metrics[i]);
}

void Recorder::record_episode(const EpisodeReport& e) {
  episodes_.append({static_cast<double>(e.env_steps), static_cast<double>(e.episode),
                    e.episode_return, static_cast<double>(e.length), e.terminated ? 1.0 : 0.0,
                    e.truncated ? 1.0 : 0.0, e.broken ? 1.0 : 0.0});
  events_.scalar("episode/return", e.env_steps, e.episode_return);
}

void Recorder::sync() {
  metrics_.sync();
  episodes_.sync();
}

void Recorder::log(const std::string& text) {
  progress_.clear();
  log_.info(text);
}

void Recorder::warn(const std::string& text) {
  progress_.clear();
  log_.warn(text);
}

void Recorder::note(const std::string& text) { log_.note(text); }

void Recorder::record_error(const std::string& text) { log_.record_error(text); }

void Recorder::write_summary(RunStatus status, const nlohmann::ordered_json& summary) {
  sync();
  events_.sync();
  log_.sync();
  write_run_state(folder_, status, summary);
}

}  // namespace mbrl
