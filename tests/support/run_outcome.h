// What a run leaves behind, apart from times: for comparisons of whole runs.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "host/io/crc32c.h"
#include "host/io/json_file.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {

/// "episodes", "evaluations" and "metrics" (tables), "log" (its lines about env steps), and each checkpoint under
/// its name.
inline nlohmann::json run_outcome(const std::filesystem::path& run) {
  namespace fs = std::filesystem;
  nlohmann::json all;
  all["episodes"] = file_text(run / "episodes.csv");
  all["evaluations"] = file_text(run / "evaluations.csv");
  std::istringstream metrics(file_text(run / "metrics.csv"));
  for (std::string line; std::getline(metrics, line);) {
    // the third column is wall_time_s
    const auto second = line.find(',', line.find(',') + 1);
    all["metrics"].push_back(line.substr(0, second) + line.substr(line.find(',', second + 1)));
  }
  std::istringstream log(file_text(run / "log.txt"));
  for (std::string line; std::getline(log, line);)
    if (const auto at = line.find("env step "); at != std::string::npos)
      all["log"].push_back(line.substr(at));
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) {
    nlohmann::json& checkpoint = all[entry.path().filename()];
    for (const char* file : {"weights.safetensors", "replay.safetensors"})
      checkpoint[file] = crc32c(file_text(entry.path() / file));
    nlohmann::json state = nlohmann::json::parse(file_text(entry.path() / "state.json"));
    state["run"].erase("wall_time_s");
    state["run"].erase("stage_seconds");
    checkpoint["state"] = state;
  }
  return all;
}

}  // namespace mbrl
