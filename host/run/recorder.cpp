#include "host/run/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/algo/keys_read.h"
#include "host/config/print.h"
#include "host/io/metric_list.h"
#include "host/model/trainer.h"
#include "host/stats/summary.h"

namespace mbrl {
namespace {

std::vector<std::string> metric_columns(const std::vector<std::string>& names) {
  std::vector<std::string> columns{"env_steps",        "epoch",           "wall_time_s",
                                   "eval_return_mean", "eval_return_std", "eval_broken"};
  columns.insert(columns.end(), names.begin(), names.end());
  return columns;
}

// as many as Stable-Baselines3 has in its means
constexpr std::size_t kRecentEpisodes = 100;

// one that is in no list is the caller's own
std::vector<std::string> tags_of_log(const std::vector<std::string>& names) {
  std::vector<std::string> tags;
  for (const std::string& name : names) {
    const MetricEntry* entry = find_column("metrics.csv", name);
    if (entry == nullptr)
      tags.push_back("train/" + name);
    else
      tags.push_back(entry->written == Written::kLog ? entry->tag : "");
  }
  return tags;
}

// lists and texts as people write them
HparamValue hparam(const Config& config, const Field& field) {
  const nlohmann::ordered_json value = field_value(config, field);
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>();
  return field_text(config, field);
}

// a cell of a Markdown table
std::string cell(const std::string& text) {
  std::string safe;
  for (const char c : text) safe += c == '|' ? "\\|" : std::string{c};
  return safe;
}

std::string config_markdown(const Config& config) {
  const Config defaults;
  std::string table = "| key | value | default |\n| --- | --- | --- |\n";
  for (const Field& field : fields()) {
    if (!is_read(config, field)) continue;
    const std::string value = field_text(config, field), usual = field_text(defaults, field);
    const char* mark = value == usual ? "" : "**";
    table +=
        fmt::format("| {1}{0}{1} | {2} | {3} |\n", field.path(), mark, cell(value), cell(usual));
  }
  return table;
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
      log_tags_(tags_of_log(metric_names)),
      progress_(progress),
      metrics_(folder_ / "metrics.csv", metric_columns(metric_names), resume_env_steps),
      evaluations_(folder_ / "evaluations.csv", {"env_steps", "episode", "return", "length"},
                   resume_env_steps),
      episodes_(folder_ / "episodes.csv",
                {"env_steps", "episode", "return", "length", "terminated", "truncated", "broken"},
                resume_env_steps),
      events_(folder_, resume_env_steps),
      log_(folder_ / "log.txt", resume_env_steps >= 0, to_console) {
  if (resume_env_steps > 0) remember_rows(folder_ / "episodes.csv");
}

Recorder::~Recorder() = default;

void Recorder::remember(const Episode& episode) {
  recent_.push_back(episode);
  if (recent_.size() > kRecentEpisodes) recent_.pop_front();
}

// the newest episodes of the part of the run before
void Recorder::remember_rows(const std::filesystem::path& table) {
  const std::vector<std::string> lines = whole_lines(read_file(table));
  const std::size_t first = lines.size() > kRecentEpisodes ? lines.size() - kRecentEpisodes : 1;
  for (std::size_t i = std::max<std::size_t>(first, 1); i < lines.size(); ++i) {
    std::vector<double> values;
    const char* at = lines[i].data();
    const char* const end = at + lines[i].size();
    for (double value = 0.0; values.size() < 4; ++at) {
      const auto [after, error] = std::from_chars(at, end, value);
      if (error != std::errc()) break;
      values.push_back(value);
      at = after;
      if (at == end) break;
    }
    if (values.size() == 4) remember({values[2], values[3]});
  }
}

void Recorder::describe(const Config& config) {
  Hparams hparams;
  for (const Field& field : fields())
    if (is_read(config, field)) hparams.emplace_back(field.path(), hparam(config, field));
  events_.describe(hparams, config_markdown(config));
}

void Recorder::record_evaluation(const EvaluationRow& row) {
  std::vector<double> values{static_cast<double>(row.env_steps),
                             static_cast<double>(row.epoch),
                             row.wall_time_s,
                             row.return_mean,
                             row.return_std,
                             static_cast<double>(row.num_broken)};
  values.insert(values.end(), row.metrics.begin(), row.metrics.end());
  metrics_.append(values);
  for (std::size_t i = 0; i < row.returns.size(); ++i)
    evaluations_.append({static_cast<double>(row.env_steps), static_cast<double>(i), row.returns[i],
                         static_cast<double>(row.lengths[i])});
  std::vector<std::pair<std::string, double>> tags{
      {"eval/mean_reward", row.return_mean},
      {"eval/std_reward", row.return_std},
      {"eval/num_broken", static_cast<double>(row.num_broken)}};
  if (!row.lengths.empty())
    tags.emplace_back("eval/mean_ep_length",
                      mean_of(std::vector<double>(row.lengths.begin(), row.lengths.end())));
  events_.scalars(row.env_steps, tags);
}

void Recorder::record_episode(const EpisodeReport& e) {
  episodes_.append({static_cast<double>(e.env_steps), static_cast<double>(e.episode),
                    e.episode_return, static_cast<double>(e.length), e.terminated ? 1.0 : 0.0,
                    e.truncated ? 1.0 : 0.0, e.broken ? 1.0 : 0.0});
  remember({e.episode_return, static_cast<double>(e.length)});
  events_.scalars(e.env_steps, {{"episode/return", e.episode_return},
                                {"episode/length", static_cast<double>(e.length)}});
}

void Recorder::record_log(const LogRow& row) {
  std::vector<std::pair<std::string, double>> values;
  if (!recent_.empty()) {
    double episode_return = 0.0, length = 0.0;
    for (const Episode& episode : recent_) {
      episode_return += episode.episode_return;
      length += episode.length;
    }
    const auto count = static_cast<double>(recent_.size());
    values.emplace_back("rollout/ep_rew_mean", episode_return / count);
    values.emplace_back("rollout/ep_len_mean", length / count);
  }
  for (std::size_t i = 0; i < metric_names_.size(); ++i)
    if (!log_tags_[i].empty()) values.emplace_back(log_tags_[i], row.metrics[i]);
  for (const auto& [key, value] : row.schedule) values.emplace_back("schedule/" + key, value);
  values.emplace_back("time/fps", static_cast<double>(row.steps) / row.seconds);
  values.emplace_back("time/updates_per_s", static_cast<double>(row.updates) / row.seconds);
  values.emplace_back("time/time_elapsed", row.wall_time_s);
  for (const auto& [stage, seconds] : row.stage_seconds)
    values.emplace_back("time/share/" + stage, seconds / row.seconds);
  events_.scalars(row.env_steps, values);
}

void Recorder::record_fit(std::int64_t env_steps, const FitReport& fit) {
  std::vector<std::pair<std::string, double>> values{
      {"model/loss", fit.train_loss},
      {"model/epochs", fit.epochs},
      {"model/steps", static_cast<double>(fit.steps)},
      {"model/train_rows", fit.num_train}};
  if (fit.num_holdout > 0) {
    values.emplace_back("model/validation_loss", fit.validation_loss);
    values.emplace_back("model/holdout_rows", fit.num_holdout);
  }
  for (const LossValue& value : fit.loss_values)
    values.emplace_back("model/" + value.name, value.value);
  for (std::size_t e = 0; e < fit.holdout_mse.size(); ++e)
    values.emplace_back(fmt::format("model/holdout_mse/{}", e), fit.holdout_mse[e]);
  events_.scalars(env_steps, values);
}

void Recorder::sync() {
  metrics_.sync();
  evaluations_.sync();
  episodes_.sync();
  events_.sync();
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
  // what it has come to for good; one that may go on is told by none
  if (status == RunStatus::kDone || status == RunStatus::kDiverged)
    events_.finish(status == RunStatus::kDone);
  sync();
  log_.sync();
  write_run_state(folder_, status, summary);
}

}  // namespace mbrl
