// The run directory of AutoMBPO: where each part of the work lies, and whether it is complete.
//
//   controller/<group>-<stage>.safetensors, best.safetensors
//   episodes/0007/{metrics.csv, decisions.csv, trajectory.json, summary.json}
//   evaluation/seed-1003/...   stages.csv stages.json baseline.csv summary.json log.txt
//
// What a run of the work has come to is in its summary.json alone (host/io/run_state.h).
#pragma once

#include <filesystem>
#include <vector>

namespace mbrl {

class AutoMbpoFolder {
 public:
  /// Errors   DataError if folders cannot be made in it.
  explicit AutoMbpoFolder(std::filesystem::path path);

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
  /// Whether a hyper-episode has reached its end and left what controllers learn from. One that has
  /// not is run again, which its last checkpoint makes short.
  bool is_complete_episode(int number) const;
  std::filesystem::path evaluation(int seed) const;

  /// Folders of hyper-episodes that have been begun, sorted.
  std::vector<std::filesystem::path> all_episodes() const;
  /// Folders of complete runs of the evaluation, sorted.
  std::vector<std::filesystem::path> complete_evaluations() const;

 private:
  std::filesystem::path path_;
};

}  // namespace mbrl
