// What the run in a folder has come to.
//
// summary.json is the one marker. A start takes it away, and it is written last, when all other
// files of the run are on the disk: a folder without it holds a run that is going on or was killed.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mbrl {

enum class RunStatus {
  kOpen,      // has not begun, is going on, or was killed
  kPaused,    // a population's member between two rounds
  kStopped,   // by a signal
  kFailed,    // by the machine: a full disk, a lost device
  kDiverged,  // by itself, and would again
  kDone
};

/// "done", "stopped": the word in summary.json.
const char* status_text(RunStatus status);

/// Errors   DataError naming summary.json if it is damaged.
RunStatus run_status(const std::filesystem::path& folder);
inline bool is_done(const std::filesystem::path& folder) {
  return run_status(folder) == RunStatus::kDone;
}

/// What to know of runs before they are compared: how many of those that the tables belong to have
/// not reached their ends, and where each of them is ("open", "stopped"); "" if all have. Tables
/// that lie in no run's folder are nobody's.
std::string unfinished_text(const std::vector<std::filesystem::path>& tables);

/// Writes the marker. Everything else of the run has to be on the disk.
///
/// Errors   those of write_file_atomically.
void write_run_state(const std::filesystem::path& folder, RunStatus status,
                     nlohmann::ordered_json summary);

/// Takes the marker away: from now on the folder holds a run that is going on.
void open_run_state(const std::filesystem::path& folder);

}  // namespace mbrl
