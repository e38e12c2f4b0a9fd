#include "host/cli/run_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/printable.h"
#include "host/algo/keys_read.h"
#include "host/algo/registry.h"
#include "host/config/former_names.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/csv.h"
#include "host/io/curves.h"
#include "host/io/folders.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"
#include "host/io/run_state.h"
#include "host/run/run_dir.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

bool is_run(const fs::path& folder) {
  std::error_code unknown;
  return fs::exists(folder / "config.json", unknown);
}

// the last number in a column of a table; nothing where there is none
std::optional<double> last_number(const fs::path& file, const std::string& column) {
  const auto fields_of = [](const std::string& line) {
    std::vector<std::string> fields;
    std::stringstream text(line);
    for (std::string field; std::getline(text, field, ',');) fields.push_back(field);
    return fields;
  };
  std::vector<std::string> lines;
  try {
    lines = whole_lines(read_file(file));
  } catch (const DataError&) {
    return std::nullopt;
  }
  if (lines.size() < 2) return std::nullopt;
  const std::vector<std::string> header = fields_of(lines.front()), row = fields_of(lines.back());
  const auto index =
      static_cast<std::size_t>(std::find(header.begin(), header.end(), column) - header.begin());
  double value = 0.0;
  if (index >= header.size() || index >= row.size() ||
      std::from_chars(row[index].data(), row[index].data() + row[index].size(), value).ec !=
          std::errc())
    return std::nullopt;
  return value;
}

// what its tables, its summary and its newest checkpoint know
std::int64_t steps_of(const fs::path& run, const nlohmann::ordered_json& summary) {
  double steps = 0.0;
  for (const char* table : {"metrics.csv", "episodes.csv"})
    steps = std::max(steps, last_number(run / table, "env_steps").value_or(0.0));
  if (summary.contains("env_steps") && summary["env_steps"].is_number())
    steps = std::max(steps, summary["env_steps"].get<double>());
  std::error_code unknown;
  for (const fs::path& folder : entries_of(run / "checkpoints", [](const std::string&) {})) {
    const std::string name = folder.filename().string();
    std::int64_t step = 0;
    if (name.starts_with("step-") && fs::exists(folder / "DONE", unknown))
      std::from_chars(name.data() + 5, name.data() + name.size(), step);
    steps = std::max(steps, static_cast<double>(step));
  }
  return steps < 1e15 ? static_cast<std::int64_t>(steps) : 0;  // false for what is no number, too
}

// "hopper" of `mbrl_gpu run configs/hopper.json seed=1`
std::string config_word(const fs::path& run) {
  try {
    std::istringstream words(read_file(run / "command.txt"));
    std::string program, command, config;
    words >> program >> command >> config;
    return fs::path(config).stem().string();
  } catch (const DataError&) {
    return "";
  }
}

std::string assignment(const Config& config, const Field& field) {
  const std::string value =
      is_text(field) ? field_text(config, field) : field_value(config, field).dump();
  return field.path() + "=" + printable(value);
}

void add_config(ListedRun& run) {
  const fs::path file = run.path / "config.json";
  Config config;
  try {
    config = config_from_json(read_json<nlohmann::ordered_json>(file), file.string());
  } catch (const ConfigError&) {
    run.problem = "the config of another version";
    return;
  } catch (const DataError&) {
    run.problem = "config.json cannot be read";
    return;
  }
  run.name = config.name;
  run.seed = config.seed;
  if (find_algorithm(config.algorithm).make != nullptr)
    run.wanted_steps = config.loop.num_env_steps;
  else
    run.num_learners = 0;
  Config base;
  for (const std::string& name : {config_word(run.path), present_name(config.name)}) {
    const fs::path shipped = run.base.empty() ? find_shipped_config(name) : fs::path();
    if (shipped.empty()) continue;
    base = load_config(shipped);
    run.base = name;
  }
  const KeyFilter is_read = keys_read(config);
  for (const Field& field : fields())
    if (is_hashed(field) && is_read(field) &&
        field_value(config, field) != field_value(base, field))
      run.differences.push_back(assignment(config, field));
}

std::string status_of(const fs::path& run) {
  if (RunDir::is_busy(run)) return "running";
  try {
    const RunStatus status = run_status(run);
    return status == RunStatus::kOpen ? "killed" : status_text(status);
  } catch (const DataError&) {
    return "unknown";
  }
}

double age_of(const fs::path& run) {
  std::error_code error;
  std::optional<fs::file_time_type> newest;
  for (const fs::path& file : entries_of(run, [](const std::string&) {})) {
    const fs::file_time_type time = fs::last_write_time(file, error);
    // who asks whether a run is busy does not change its lock; who starts it does
    if (!error && (!newest || time > *newest)) newest = time;
  }
  if (!newest) return 0.0;
  return std::max(
      0.0, std::chrono::duration<double>(fs::file_time_type::clock::now() - *newest).count());
}

// a run of many learners: how many are complete, and what they earned last
void add_learners(ListedRun& run) {
  std::error_code unknown;
  for (const char* part : {"episodes", "evaluation"})
    for (const fs::path& learner : entries_of(run.path / part, [](const std::string&) {}))
      run.num_learners += fs::exists(learner / "summary.json", unknown);
  if (const auto mean = last_number(run.path / "stages.csv", "mean_return"))
    run.last_return = *mean;
}

ListedRun listed(const fs::path& path) {
  ListedRun run;
  run.path = path;
  add_config(run);
  nlohmann::ordered_json summary;
  try {
    summary = read_json<nlohmann::ordered_json>(path / "summary.json");
  } catch (const DataError&) {
    // there is none yet, or status_of says what it is
  }
  run.status = status_of(path);
  run.age_s = age_of(path);
  run.env_steps = steps_of(path, summary);
  if (run.num_learners >= 0) {
    add_learners(run);
    return run;
  }
  try {
    run.last_return = read_curve(path / "metrics.csv", "eval_return_mean").y.back();
  } catch (const DataError&) {
    // no evaluation yet, or none that can be read
  }
  return run;
}

}  // namespace

std::vector<ListedRun> list_runs(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw DataError(fmt::format("{} is not a folder; expected one that holds runs.",
                                printable(folder.string())));
  std::vector<ListedRun> runs;
  for (const fs::path& path : folders_below(folder, {}, is_run))
    if (is_run(path)) runs.push_back(listed(path));
  return runs;
}

}  // namespace mbrl
