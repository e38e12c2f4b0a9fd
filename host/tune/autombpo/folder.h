// The run directory of AutoMBPO: where each part of the work lies, and whether it is complete.
//
//   controller/<group>-<stage>.safetensors, best.safetensors
//   episodes/0007/{metrics.csv, decisions.csv, trajectory.json}   failed.json where one failed
//   evaluation/seed-1003/...   stages.csv stages.json baseline.csv summary.json log.txt
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mbrl {

class AutoMbpoFolder {
 public:
  /// `start_over`: deletes what an earlier command did.
  AutoMbpoFolder(std::filesystem::path path, bool start_over);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path log() const { return path_ / "log.txt"; }
  std::filesystem::path baseline_table() const { return path_ / "baseline.csv"; }
  std::filesystem::path stages_table() const { return path_ / "stages.csv"; }
  std::filesystem::path stages_json() const { return path_ / "stages.json"; }
  std::filesystem::path summary() const { return path_ / "summary.json"; }

  /// The controller that a group begins a stage with.
  std::filesystem::path controller(int group, int stage) const;
  std::filesystem::path best_controller() const;

  std::filesystem::path episodes() const { return path_ / "episodes"; }
  std::filesystem::path episode(int number) const;
  std::filesystem::path evaluation(int seed) const;

  /// Folders of hyper-episodes that have been begun, in no order.
  std::vector<std::filesystem::path> all_episodes() const;
  /// Folders of complete runs of the evaluation, sorted.
  std::vector<std::filesystem::path> complete_evaluations() const;

 private:
  std::filesystem::path path_;
};

/// Errors   DataError if the file cannot be read.
nlohmann::ordered_json read_json(const std::filesystem::path& file);

/// Whether the run in a folder has reached its end.
bool is_done(const std::filesystem::path& folder);

/// Whether the run in a folder diverged, and notes that it did.
bool has_failed(const std::filesystem::path& folder);
void mark_failed(const std::filesystem::path& folder, const std::string& error);

}  // namespace mbrl
